"""VersionedPusher, the TFX component.

>>> from tfx.types import Channel
>>> from components.pusher.settings import BackboneFacts, CodeFacts, DataFacts
>>> card = CardSettings(
...     pipeline="flowers", run_id="20261130-101500-000000", split="eval",
...     data=DataFacts(name="beans/0.1.0", splits={}, fingerprint="5f2a", class_names=("a", "b")),
...     preprocessing={"evaluate": 224},
...     backbone=BackboneFacts(handle="bit-mini", sha256="cb3d", licence="Apache-2.0", mode="full"),
...     code=CodeFacts(steps={}, image="", commit="", libraries={}), training={},
... )
>>> channels = {name: Channel(type=kind) for name, kind in VersionedPusher.INPUTS.items()}
>>> list(VersionedPusher(channels, "/out/serving", card, code="9c1b").outputs)
['pushed_model']
"""

from __future__ import annotations

from typing import Any, ClassVar

from tfx.proto import pusher_pb2
from tfx.types import BaseChannel
from tfx.types import standard_artifacts as tfx
from tfx.types.system_executions import Deploy

from components.component import Step, Types
from components.pusher.executor import Executor
from components.pusher.settings import CardSettings


class VersionedPusher(Step):
    """TFX's Pusher onto a file system, atomic and free of duplicates, with a model card."""

    ID = "Pusher"
    EXECUTOR = Executor
    EXECUTION = Deploy
    PROPERTIES: ClassVar[dict[str, Any]] = {
        "push_destination": pusher_pb2.PushDestination,
        "card": str,
        "code": str,
    }
    INPUTS: ClassVar[Types] = {
        "examples": tfx.Examples,
        "model": tfx.Model,
        "model_run": tfx.ModelRun,
        "evaluation": tfx.ModelEvaluation,
        "model_blessing": tfx.ModelBlessing,
        "infra_blessing": tfx.InfraBlessing,
    }
    OUTPUTS: ClassVar[Types] = {"pushed_model": tfx.PushedModel}

    def __init__(self, inputs: dict[str, BaseChannel], serving: str, card: CardSettings, code: str):
        """Makes the node.

        Args:
          inputs: channels by the names of `INPUTS`.
          serving: the folder of versions.
          card: what the card needs that is in no artifact. Its run id is why the step is never
            cached: what is served can change back.
          code: digest of the modules that the step runs.
        """
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=serving)
        destination = pusher_pb2.PushDestination(filesystem=filesystem)
        self._make(inputs, push_destination=destination, card=card.model_dump_json(), code=code)
