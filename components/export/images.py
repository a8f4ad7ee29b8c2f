"""The images that decide about a conversion: those of a run's split, or of a folder of yours.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("daisy/1.jpg", "rose/1.jpg", "rose/2.jpg"):
...         Path(folder, name).parent.mkdir(exist_ok=True)
...         _ = Path(folder, name).write_bytes(name.encode())
...     images = list(of_folder(Path(folder), ("rose", "tulip", "daisy")))
>>> sorted((image.key, image.label) for image in images)
[('daisy/1.jpg', 2), ('rose/1.jpg', 0), ('rose/2.jpg', 0)]
>>> [image.label for image in sample(images, 10)] == [image.label for image in images]
True
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.errors import UserError
from components.evaluator.prediction_table import example_key
from components.example_gen.sources.image_files import FLAT_SPLIT, display, list_images
from components.example_gen.sources.stored import first_label, parsed
from components.storage import split_folder
from components.transform.features import IMAGE

_SEED = 20_260_101


class Labelled(NamedTuple):
    """An encoded image and its class.

    Attributes:
      key: `example_key` of its record, or the file's name.
      label: class index of the model.
      image: encoded.
    """

    key: str
    label: int
    image: bytes


def of_split(examples: str, split: str) -> Iterator[Labelled]:
    """The images of a split.

    Args:
      examples: folder of the artifact.
      split: its name.
    """
    import tensorflow as tf

    files = sorted(map(str, split_folder(examples, split).iterdir()))
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        image = parsed(record).features.feature[IMAGE].bytes_list.value[0]
        yield Labelled(example_key(record), first_label(record), image)


def of_folder(folder: Path, class_names: Sequence[str]) -> Iterator[Labelled]:
    """The images of `<folder>/<class>/*`, in an order that does not depend on their classes.

    Args:
      folder: whose folders are named after the model's classes, or some of them.
      class_names: names by class index.

    Raises:
      UserError: it holds no image, other classes, or splits.
    """
    try:
        found = list_images(folder)
    except UserError as error:
        # Its sentences name the key of the configuration.
        raise UserError(str(error).replace("data.folder", "--examples")) from error
    if list(found.splits) != [FLAT_SPLIT]:
        inner = folder / sorted(found.splits)[0]
        raise UserError(
            f"--examples {display(str(folder))} has folders of splits: give one of them, as "
            f"--examples {display(str(inner))}."
        )
    unknown = [name for name in found.class_names if name not in class_names]
    if unknown:
        raise UserError(
            f"--examples {display(str(folder))}: the folder {unknown[0]!r} is none of the model's "
            f"classes ({', '.join(class_names)})."
        )
    for file in found.splits[FLAT_SPLIT]:
        label = class_names.index(found.class_names[file.label])
        yield Labelled(display(file.name), label, (folder / file.name).read_bytes())


def sample(images: Iterable[Labelled], count: int) -> list[Labelled]:
    """Some of them, each as likely as any other, and the same ones every time.

    Args:
      images: read once, of any number.
      count: how many, at most.
    """
    # Vitter 1985, algorithm R: nobody knows how many there are.
    chosen: list[Labelled] = []
    dice = random.Random(_SEED)
    for position, image in enumerate(images):
        place = position if position < count else dice.randrange(position + 1)
        if place < len(chosen):
            chosen[place] = image
        elif position < count:
            chosen.append(image)
    return chosen
