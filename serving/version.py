"""One version of the model in memory: loaded, held to the contract, warmed up, asked.

    from serving.version import load

    version = load(Path("runs/digits/serving/1796063183"))
    version.answer([Path("seven.png").read_bytes()]).rows()

`serving.switch` decides which version is loaded, and when.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from components.pusher.versions import CARD_JSON, WARM_UP
from components.signatures import LABELS, PREDICT_IMAGE, Signature, signatures
from components.storage import AnyPath
from serving.answers import Answers
from serving.payload import IMAGE_BYTES
from serving.warm_up import warm_up_requests


class CannotServeError(Exception):
    """Why a version is not one that this server can answer with."""


class Version:
    """A loaded version.

    Attributes:
      number: its folder's name.
      labels: names of the columns of probabilities.
    """

    def __init__(self, number: int, model: Any):
        self.number = number
        # The signatures alone do not keep the variables alive.
        self._model = model
        self._predict = model.signatures[PREDICT_IMAGE]
        self.labels = [
            name.decode("utf-8", "replace")
            for name in model.signatures[LABELS]()[LABELS].numpy().tolist()
        ]

    def answer(self, images: Sequence[bytes]) -> Answers:
        """One row an image, encoded; a bad image costs its own row.

        Raises:
          tf.errors.OpError: the model cannot answer, whatever the images are.
        """
        import tensorflow as tf

        outputs = self._predict(
            **{IMAGE_BYTES: tf.constant(list(images), tf.string, [len(images)])}
        )
        return Answers.of({name: each.numpy() for name, each in outputs.items()}, self.number)

    def warm_up(self, folder: AnyPath) -> int:
        """Answers the requests in its folder; returns their number.

        Raises:
          CannotServeError: they cannot be read or answered.
        """
        count = 0
        try:
            for signature, inputs in warm_up_requests(folder):
                self._model.signatures[signature](**inputs)
                count += 1
        # Whatever is wrong with the file, or with the model.
        except Exception as error:
            raise CannotServeError(
                f"its warm-up requests, {WARM_UP}, cannot be answered: {_one_line(error)}"
            ) from error
        return count


def load(folder: AnyPath) -> Version:
    """Loads a version; it is not warm yet.

    Raises:
      CannotServeError: TensorFlow cannot load it, or it is none that the pipeline pushed.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(str(folder))
    except Exception as error:
        raise CannotServeError(
            f"TensorFlow {tf.__version__} cannot load {folder}: {_one_line(error)}"
        ) from error
    wanted = {each.name: each for each in signatures(classes=1, side=1)}
    for name in (PREDICT_IMAGE, LABELS):
        if name not in model.signatures:
            others = ", ".join(model.signatures) or "none"
            raise CannotServeError(
                f"it has no signature {name} (it has {others}): this server is for models that "
                "bit-tfx run pushed"
            )
        _check(wanted[name], model.signatures[name])
    return Version(int(folder.name), model)


def _check(wanted: Signature, found: Any) -> None:
    _, inputs = found.structured_input_signature
    for what, ours, theirs in (
        ("input", wanted.inputs, inputs),
        ("output", wanted.outputs, found.structured_outputs),
    ):
        if missing := ours.keys() - theirs.keys():
            raise CannotServeError(
                f"its {wanted.name} lacks the {what} {min(missing)}; train it again"
            )
        for name, tensor in ours.items():
            if (dtype := theirs[name].dtype.name) != tensor.dtype:
                raise CannotServeError(
                    f"the {what} {name} of its {wanted.name} is {dtype}, and not {tensor.dtype}; "
                    "train it again"
                )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def name_of(folder: AnyPath) -> str:
    """The pipeline's name in a version's card; "" where there is no card that says it."""
    try:
        card = json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))
        return str(card["model"]["name"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
