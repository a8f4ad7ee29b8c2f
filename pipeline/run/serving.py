"""What `bit-tfx rollback` and `bit-tfx pin` do: change which version serves, and record it.

The verbs print what these functions return:

    from pipeline.run.serving import Place, roll_back

    print(roll_back(Place.of_output("runs/digits"), version=None))
"""

from __future__ import annotations

import datetime
import getpass
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.commands import bit_tfx
from components.errors import UserError
from components.pusher import rollback
from components.pusher.rollback import Change
from components.pusher.versions import versions
from components.storage import AnyPath, as_path
from pipeline.run.connection import connection_config, open_store
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata

if TYPE_CHECKING:
    from pipeline.config import Config


@dataclass(frozen=True)
class Place:
    """Where versions are, and the metadata of the runs that pushed them.

    Attributes:
      serving: the folder of versions.
      options: that name it on a command line.
      metadata: the database, as `connection_config` takes it; None where the lineage is elsewhere,
        and is not written.
    """

    serving: AnyPath
    options: tuple[str, ...]
    metadata: str | None = None

    @classmethod
    def of_output(cls, output: str) -> Place:
        """Of an output folder on this machine."""
        layout = Layout(Path(output))
        options = "--serving", str(layout.serving)
        metadata = Path(layout.metadata)
        if not metadata.exists():
            return cls(layout.serving, options)
        check_metadata(metadata, Path(layout.artifacts))
        return cls(layout.serving, options, json.dumps({"sqlite": str(metadata)}))

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
        return cls(folder, ("--serving", serving))

    @classmethod
    def on_kubeflow(cls, config: Config, options: Sequence[str]) -> Place:
        """Of a pipeline that runs on Kubeflow, where its output and its metadata are in reach.

        Args:
          config: its configuration.
          options: that name the configuration on a command line.

        Raises:
          UserError: the folder of versions is not there.
        """
        serving = Layout(config.kubeflow.output_of(config.pipeline_name)).serving
        if not serving.is_dir():
            raise UserError(
                f"{serving} of kubeflow.output is not here, or nothing is pushed yet. Where it is "
                "on a volume, type this in a pod that mounts it (docs/how-to/kubeflow.md)."
            )
        return cls(serving, tuple(options), config.kubeflow.metadata.without_password())

    def open_store(self) -> Any | None:
        """ML Metadata's MetadataStore; None where the lineage is elsewhere.

        Raises:
          UserError: it cannot be used.
        """
        return None if self.metadata is None else open_store(connection_config(self.metadata))


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
    store = _store_of(place)
    change = rollback.roll_back(place.serving, version)
    return [*_said(place, change), *_recorded(place, store, "rollback", change)]


def pin(place: Place, version: int | None) -> list[str]:
    """Makes a version serve until `unpin`; None takes what serves. Returns what to print.

    Raises:
      UserError: there is no such version, or none at all.
    """
    there = versions(place.serving)
    if version is None and not there:
        raise UserError(f"{place.serving} holds no version.")
    store = _store_of(place)
    change = rollback.pin(place.serving, there[-1] if version is None else version, _user(), _now())
    return [
        *_said(place, change),
        f"No run replaces it until you type `{_command(place, 'pin', '--off')}`.",
        *_recorded(place, store, "pin", change),
    ]


def unpin(place: Place) -> list[str]:
    """Lets runs replace what serves again; returns what to print."""
    store = _store_of(place)
    found = rollback.unpin(place.serving)
    if found is None:
        return [f"{place.serving} is not pinned."]
    change = Change(found.version, versions(place.serving)[-1])
    return [
        "The next model that passes its gates is pushed.",
        *_recorded(place, store, "unpin", change),
    ]


def _store_of(place: Place) -> Any | None:
    """Opened before the change: one that could not be recorded is not made."""
    try:
        return place.open_store()
    except UserError as error:
        command = bit_tfx("rollback", "--serving", str(place.serving))
        raise UserError(
            f"{error} Nothing has changed. To change what serves without a record: `{command}`."
        ) from error


def _said(place: Place, change: Change) -> list[str]:
    if change.before == change.after:
        return [f"Version {change.after} of {place.serving} serves."]
    return [
        f"Version {change.after} of {place.serving} serves; before, version {change.before} did.",
        f"To go back, type `{_command(place, 'rollback', str(change.before))}`.",
    ]


def _command(place: Place, *arguments: str) -> str:
    return bit_tfx(*arguments, *place.options)


def _recorded(place: Place, store: Any | None, what: str, change: Change) -> list[str]:
    if store is None:
        return [
            "Not recorded in ML Metadata: it is not beside this folder. Of a pipeline on Kubeflow "
            "give its --config FILE in place of --serving."
        ]
    from components.lineage.changes import record

    record(store, what, str(place.serving), change.before, change.after, _user())
    return []


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container whose user has no name.
        return "unknown"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
