"""All that a model card needs and no artifact has, as one value in the Pusher's properties.

>>> data = DataFacts(
...     name="tf_flowers/3.0.1", splits={"train": "train[:85%]", "eval": "train[85%:]"},
...     fingerprint="5f2a", class_names=("daisy", "rose"),
... )
>>> DataFacts.model_validate_json(data.model_dump_json()) == data
True
"""

from __future__ import annotations

from typing import Any

from components.section import Names, Section


class DataFacts(Section):
    """The data set.

    Attributes:
      name: as `components.example_gen.sources.source.Source.full_name`.
      splits: the slices of it, in tfds's syntax, by split.
      fingerprint: of its stored files and these slices.
      class_names: names by class index.
      examples_per_class: how many of each were taken; None for all.
    """

    name: str
    splits: dict[str, str]
    fingerprint: str
    class_names: Names
    examples_per_class: int | None = None


class BackboneFacts(Section):
    """The pre-trained network; `licence` is empty where it is not known."""

    handle: str
    sha256: str
    licence: str
    mode: str


class CodeFacts(Section):
    """What ran.

    Attributes:
      steps: digest of each step's code.
      image: the container image; empty outside of one.
      commit: the image's.
      libraries: versions by name, Python's among them.
    """

    steps: dict[str, str]
    image: str
    commit: str
    libraries: dict[str, str]


class CardSettings(Section):
    """What a card needs that is in no artifact.

    Attributes:
      pipeline: the pipeline's name.
      run_id: of this run, so that the step is never cached: what is served can change back.
      split: the split that is judged.
      data: the data set.
      preprocessing: sizes and augmentation, settled.
      backbone: the pre-trained network.
      code: what ran.
      training: the section of the configuration.
      keep_last: versions that stay in `serving`; None for all.
      min_confidence: the least probability with which the model names a class; None names always.
      signing_key: file of the private key; None signs nothing.
    """

    pipeline: str
    run_id: str
    split: str
    data: DataFacts
    preprocessing: dict[str, Any]
    backbone: BackboneFacts
    code: CodeFacts
    training: dict[str, Any]
    keep_last: int | None = None
    min_confidence: float | None = None
    signing_key: str | None = None
