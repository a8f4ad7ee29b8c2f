"""What `bit-tfx rollback` and `bit-tfx pin` do: change which version serves, and record it.

The verbs print what these functions return:

    from pipeline.run.serving import Place, roll_back

    print(roll_back(Place.of_output("runs/digits"), version=None))
"""

from __future__ import annotations

import datetime
import getpass
from dataclasses import dataclass
from pathlib import Path

from components.commands import bit_tfx
from components.errors import UserError
from components.pusher import rollback
from components.pusher.rollback import Change
from components.pusher.versions import versions
from components.storage import AnyPath, as_path
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata, connection_of


@dataclass(frozen=True)
class Place:
    """Where versions are, and the metadata of the runs that pushed them.

    Attributes:
      serving: the folder of versions.
      metadata: the database's file; None where the lineage is elsewhere, and is not written.
    """

    serving: AnyPath
    metadata: Path | None = None

    @classmethod
    def of_output(cls, output: str) -> Place:
        """Of an output folder on this machine."""
        layout = Layout(Path(output))
        metadata = Path(layout.metadata)
        if metadata.exists():
            check_metadata(metadata, Path(layout.artifacts))
        return cls(layout.serving, metadata if metadata.exists() else None)

    @classmethod
    def of_serving(cls, serving: str) -> Place:
        """Of a folder of versions, in an output folder of this machine or elsewhere.

        Raises:
          UserError: there is no such folder.
        """
        folder = as_path(serving)
        if not folder.is_dir():
            raise UserError(f"--serving {serving}: there is no such folder.")
        if isinstance(folder, Path):
            of_output = cls.of_output(str(folder.resolve().parent))
            if of_output.serving.resolve() == folder.resolve():
                return of_output
        return cls(folder)


def roll_back(place: Place, version: int | None) -> list[str]:
    """Makes a version serve; returns what to print.

    Raises:
      UserError: there is no such version, or another is pinned.
    """
    pinned = rollback.pin_of(place.serving)
    if pinned and version != pinned.version:
        raise UserError(
            f"{place.serving} is pinned to version {pinned.version} (by {pinned.by}, {pinned.at}): "
            f"type `{_command(place, 'pin', '--off')}` first."
        )
    change = rollback.roll_back(place.serving, version)
    return [*_said(place, change), *_recorded(place, "rollback", change)]


def pin(place: Place, version: int | None) -> list[str]:
    """Makes a version serve until `unpin`; None takes what serves. Returns what to print.

    Raises:
      UserError: there is no such version, or none at all.
    """
    there = versions(place.serving)
    if version is None and not there:
        raise UserError(f"{place.serving} holds no version.")
    change = rollback.pin(place.serving, there[-1] if version is None else version, _user(), _now())
    return [
        *_said(place, change),
        f"No run replaces it until you type `{_command(place, 'pin', '--off')}`.",
        *_recorded(place, "pin", change),
    ]


def unpin(place: Place) -> list[str]:
    """Lets runs replace what serves again; returns what to print."""
    found = rollback.unpin(place.serving)
    if found is None:
        return [f"{place.serving} is not pinned."]
    change = Change(found.version, versions(place.serving)[-1])
    return ["The next model that passes its gates is pushed.", *_recorded(place, "unpin", change)]


def _said(place: Place, change: Change) -> list[str]:
    if change.before == change.after:
        return [f"Version {change.after} of {place.serving} serves."]
    return [
        f"Version {change.after} of {place.serving} serves; before, version {change.before} did.",
        f"To go back, type `{_command(place, 'rollback', str(change.before))}`.",
    ]


def _command(place: Place, *arguments: str) -> str:
    return bit_tfx(*arguments, "--serving", str(place.serving))


def _recorded(place: Place, what: str, change: Change) -> list[str]:
    if place.metadata is None:
        return ["Not recorded in ML Metadata: it is not beside this folder."]
    from ml_metadata.metadata_store import metadata_store

    from components.lineage.changes import record

    store = metadata_store.MetadataStore(connection_of(place.metadata))
    record(store, what, str(place.serving), change.before, change.after, _user())
    return []


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container whose user has no name.
        return "unknown"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
