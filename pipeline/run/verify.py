"""What `bit-tfx verify` does: checks a version's signature, and compares it with its lineage.

The verb prints what it finds:

    from pipeline.run.verify import verify

    checks, left_out = verify("runs/digits/serving/1764497700", key="public.pem")
    for check in checks:
        print(check.passed, check.sentence)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.digests import digests_of_files
from components.errors import UserError
from components.model_check.findings import Check
from components.pusher.signature import check_public_key, fault_of, number_fault_of
from components.pusher.versions import CARD_JSON, SIGNATURE, version_at
from components.storage import SAVED_MODEL, AnyPath, as_path, on_disk
from pipeline.run.serving import Place


def verify(path: str, key: str | None, output: str | None = None) -> tuple[list[Check], list[str]]:
    """Checks one version.

    Args:
      path: its folder, or the folder of versions, of which the served one is checked; also gs://.
      key: file of the public key; None leaves the signature out.
      output: the output folder that it was pushed from; None takes the one that `path` is in, and
        leaves the lineage out where it is in none.

    Returns:
      The checks in order, and a sentence on each that could not be made.

    Raises:
      UserError: nothing is there to check, or nothing to check it by.
    """
    if key is not None:
        check_public_key(key)
    version = _version(path)
    place = _place(version, output)
    if key is None and place.metadata is None:
        raise UserError(
            f"{version}: there is nothing to check it by. Give --key FILE, the public key of its "
            "signature, or --output DIR, the output folder that it was pushed from."
        )
    with on_disk(version) as folder:
        fault = number_fault_of(folder)
        checks = [Check("name", not fault, fault or "its number is that of its card")]
        if key is not None:
            fault = fault_of(folder, key)
            checks.append(Check("signature", not fault, fault or f"{key} belongs to its signature"))
        if place.metadata is not None:
            checks += _of_lineage(folder, place)
    return checks, list(_left_out(version, key, place))


def _left_out(version: AnyPath, key: str | None, place: Place) -> Iterator[str]:
    if key is None:
        signed = (version / SIGNATURE).exists()
        state = "is signed" if signed else "is not signed"
        yield f"signature: not checked, the version {state} and no --key was given"
    if place.metadata is None:
        yield "lineage: not compared, no ML Metadata is beside it and no --output given"


def _version(path: str) -> AnyPath:
    folder = as_path(path)
    if isinstance(folder, Path):
        folder = folder.resolve()  # `.` has no name.
    found = version_at(folder)
    if found is None:
        raise UserError(
            f"{path} is neither a version (it has no {SAVED_MODEL}) nor a folder of versions: give "
            "runs/NAME/serving or one of its versions."
        )
    return found


def _place(version: AnyPath, output: str | None) -> Place:
    if output is None:
        return Place.of_serving(str(version.parent))
    place = Place.of_output(output)
    if place.metadata is None:
        raise UserError(f"--output {output}: no run has left ML Metadata there.")
    return place


def _card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))
        int(card["model"]["version"])
        _ = card["backbone"]["sha256"], card["data"]["fingerprint"], card["code"]["steps"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / CARD_JSON} is not a model card: {error!r}.") from error
    return card


def _of_lineage(folder: Path, place: Place) -> list[Check]:
    from components.lineage.provenance import provenance

    if not (folder / CARD_JSON).exists():
        return [Check("card", False, "it has no card: no run pushed it")]
    return provenance(place.open_store(), digests_of_files(folder), _card(folder))
