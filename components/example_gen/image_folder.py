"""A folder of images as a tfds builder that reads in place: nothing is copied or prepared.

tfds has an ImageFolder. It knows no slices (`train[:85%]`), has no digest of what it holds, leaves
out files by their names, and its file instructions name files that are not there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tensorflow_datasets as tfds

from components.example_gen.image_files import ImageFile, ImageFiles, list_images
from components.example_gen.slices import Run, runs_of
from components.storage import as_path


@dataclass(eq=False, frozen=True)
class _FolderSplit(tfds.core.SplitInfo):
    """A split whose every file is one example."""

    files: tuple[str, ...] = ()

    @property
    def filepaths(self) -> list[Any]:
        """The files in their order; tfds would make names up."""
        return [tfds.core.as_path(file) for file in self.files]


class _FolderInfo(tfds.core.DatasetInfo):
    """What the folder itself says."""

    def initialize_from_bucket(self) -> None:
        """Asks nobody: tfds would look for the folder in its bucket."""

    def read_from_directory(self, dataset_info_dir: Any) -> None:
        """Reads nothing: a file of tfds's in the folder is not about it."""


class ImageFolder(tfds.core.DatasetBuilder, skip_registration=True):  # type: ignore[call-arg]
    """`<root>/<class>/*`, one split called train, or `<root>/<split>/<class>/*`.

    The order within a split is told at `image_files.list_images`. Every file in a class folder is
    an example, whatever its name; reading one that is no image fails.
    """

    name = "folder"
    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, root: str):
        """Lists the folder.

        Args:
          root: a path, or a gs:// URI.

        Raises:
          UserError: it is no folder of images.
        """
        self._listed: ImageFiles = list_images(as_path(root))
        super().__init__(data_dir=root)
        # What it is made of again, when it is pickled.
        self._original_state = {"root": root}
        self.info.set_splits(
            tfds.core.SplitDict(
                [
                    _FolderSplit(
                        name=split,
                        shard_lengths=[1] * len(files),
                        num_bytes=sum(file.size_bytes for file in files),
                        files=tuple(self.path_of(file) for file in files),
                    )
                    for split, files in self._listed.splits.items()
                ]
            )
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all splits, sorted."""
        return self._listed.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what of the folder is not read."""
        return self._listed.notes

    def path_of(self, file: ImageFile) -> str:
        """Where a file is."""
        return os.path.join(self.data_dir, file.name)

    def files(self, runs: Iterable[Run]) -> list[ImageFile]:
        """The files of a slice in its order."""
        return [
            file for run in runs for file in self._listed.splits[run.split][run.begin : run.end]
        ]

    def digest(self, split: str = "all") -> str:
        """SHA-256 over the classes and over name, size and time of change of each file of a slice.

        No file is read. One that is written anew differs in time.

        Args:
          split: a slice in tfds's syntax.
        """
        return self.digest_of(self.files(runs_of(split, self.info.splits)))

    def digest_of(self, files: Iterable[ImageFile]) -> str:
        """The same over these files."""
        digest = hashlib.sha256()
        for text in (*self.class_names, ""):
            digest.update(f"{text}\0".encode())
        for file in files:
            digest.update(os.fsencode(f"{file.name}\0{file.size_bytes}:{file.changed}\0"))
        return digest.hexdigest()

    def _build_data_dir(self, given_data_dir: str) -> tuple[str, str]:
        return given_data_dir, given_data_dir

    def is_prepared(self) -> bool:
        """Always: there is nothing to prepare."""
        return True

    def _info(self) -> tfds.core.DatasetInfo:
        return _FolderInfo(
            builder=self,
            description=f"The images in {self.data_dir}, by folder.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(),
                    "label": tfds.features.ClassLabel(names=list(self.class_names)),
                    "filename": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
        )

    def _download_and_prepare(self, **_: Any) -> None:
        raise NotImplementedError(f"{self.data_dir} is read in place.")

    def _as_dataset(
        self,
        split: Any,
        decoders: Any = None,
        read_config: Any = None,
        shuffle_files: bool = False,
    ) -> Any:
        """A tf.data.Dataset of a slice."""
        import tensorflow as tf

        del read_config  # Of record files.
        files = self.files(runs_of(split, self.info.splits))
        columns = (
            [os.fsencode(self.path_of(file)) for file in files],
            [os.fsencode(file.name) for file in files],
            [file.label for file in files],
        )
        dataset = tf.data.Dataset.from_tensor_slices(columns)
        if shuffle_files:
            dataset = dataset.shuffle(len(files))

        def read(path: Any, name: Any, label: Any) -> Any:
            image = tf.io.read_file(path)
            example = {"image": image, "label": tf.cast(label, tf.int64), "filename": name}
            return self.info.features.decode_example(example, decoders=decoders)

        return dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
