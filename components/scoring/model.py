"""The model that scores: its folder, version, class names and digest, before it is loaded.

Of the output of a run:

    from components.scoring.model import find_model

    find_model("runs/digits/serving").class_names
"""

from __future__ import annotations

from dataclasses import dataclass

from components.commands import bit_tfx
from components.errors import UserError
from components.pusher.versions import model_digest, served, version_at
from components.signatures import LABELS_FILE, PREDICT_IMAGE, signatures
from components.storage import SAVED_MODEL, AnyPath, as_path, io_errors

_SERVING = "serving"


@dataclass(frozen=True)
class ServedModel:
    """A version in a serving folder.

    Attributes:
      folder: of the SavedModel, a path or a gs:// URI.
      version: its name; a number where a push gave it.
      class_names: names by class index.
      digest: of its files.
    """

    folder: str
    version: str
    class_names: tuple[str, ...]
    digest: str


def find_model(given: str) -> ServedModel:
    """Finds the model in `--model`, and checks that it answers as the contract says.

    Args:
      given: a serving folder, of which the served version is taken, or a version's folder.

    Raises:
      UserError: it is neither, or the model there has no `predict_image` with `valid` and `error`.
    """
    folder = _folder(given)
    try:
        _check_signature(folder)
        labels = (folder / LABELS_FILE).read_text(encoding="utf-8")
        digest = model_digest(folder)
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--model {folder} cannot be read: {reason}.") from error
    return ServedModel(str(folder), folder.name, tuple(labels.split("\n")[:-1]), digest)


def _folder(given: str) -> AnyPath:
    path = as_path(given)
    found = version_at(path)
    if found is not None and (found / SAVED_MODEL).exists():
        # The version's name, also of a folder that is given as `.`.
        return path.resolve() if found == path else found
    if not path.is_dir():
        reason, hint = "there is no such folder", ""
    else:
        reason = "it is neither a serving folder nor one of its versions"
        hint = _SERVING if served(path / _SERVING) else ""
    wanted = f"type `{bit_tfx('score', '--model', str(path / hint))} ...`" if hint else ""
    wanted = wanted or "give the folder `serving` of a run's output: --model runs/digits/serving"
    raise UserError(f"--model {given}: {reason}; {wanted}.")


def _check_signature(folder: AnyPath) -> None:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        graphs = SavedModel.FromString((folder / SAVED_MODEL).read_bytes()).meta_graphs
    except DecodeError as error:
        raise UserError(
            f"--model {folder}: its {SAVED_MODEL} is damaged. Push the model again."
        ) from error
    found = graphs[0].signature_def[PREDICT_IMAGE].outputs if graphs else {}
    (wanted,) = (each for each in signatures(1, 1) if each.name == PREDICT_IMAGE)
    missing = [name for name in wanted.outputs if name not in found]
    if missing or not (folder / LABELS_FILE).exists():
        what = f"{PREDICT_IMAGE} gives no {', '.join(missing)}" if missing else f"no {LABELS_FILE}"
        raise UserError(
            f"--model {folder}: {what}; an earlier version has pushed it. Train and push it "
            f"again: `{bit_tfx('run')}`."
        )
