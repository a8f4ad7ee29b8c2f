"""VersionedPusher, the TFX component."""

from __future__ import annotations

from typing import Any

from tfx.components import Pusher
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2

from components.pusher.executor import Executor


class VersionedPusher(Pusher):
    """TFX's Pusher onto a file system, atomic and free of duplicates."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, model: Any, model_blessing: Any, serving: str, run_id: str, code: str):
        """Makes the node.

        Args:
          model: channel of the candidate.
          model_blessing: channel of the Evaluator's verdict.
          serving: the folder of versions.
          run_id: of this run, so that the step is never cached: what is served can change back.
          code: digest of the modules that the step runs.
        """
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=serving)
        super().__init__(
            model=model,
            model_blessing=model_blessing,
            push_destination=pusher_pb2.PushDestination(filesystem=filesystem),
            custom_config={"run_id": run_id, "code": code},
        )
        self.with_id("Pusher")
