"""The `kubeflow` section: where a cluster stores the run's files, and what every pod gets.

>>> section = KubeflowConfig(image="registry/bit:1", steps={"Trainer": {"memory_limit": "32Gi"}})
>>> trainer = section.step("Trainer")
>>> trainer.memory_limit, trainer.memory_request, trainer.accelerator.count
('32Gi', '8Gi', 1)
>>> section.output_of("flowers"), [volume.claim for volume in trainer.volumes]
('/mnt/bit/flowers', ['bit'])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.section import Section, matching
from pipeline import steps
from pipeline.config.metadata_store import Metadata
from pipeline.config.pod import (
    Accelerator,
    Name,
    Pod,
    Retries,
    Volume,
    amount,
)

PREPARE, FINISH, REJECTED_TASK = "prepare", "finish", "model-rejected"
"""Tasks before and after TFX's nodes, and the one that fails for a rejected model."""
TASKS = (PREPARE, *steps.STEPS, FINISH)
SCORE = "score"
"""The task of a package of its own, by `bit-tfx kubeflow score`."""

_TRAINS = Pod(
    cpu_request="2",
    memory_request="8Gi",
    memory_limit="16Gi",
    accelerator=Accelerator(),
    shared_memory="2Gi",
)


def _pod_of(step: steps.Step) -> Pod:
    """The defaults of a step's pod, from the table of steps."""
    pod = _TRAINS if step.gpu else Pod()
    if step.retries == steps.RETRIES:
        return pod
    return Pod(retries=Retries(count=step.retries, backoff_s=10)).over(pod)


_SHIPPED = {
    "default": Pod(
        cpu_request="1",
        memory_request="4Gi",
        memory_limit="8Gi",
        retries=Retries(count=steps.RETRIES),
    ),
    **{step.id: _pod_of(step) for step in steps.TABLE},
    PREPARE: Pod(retries=Retries(count=1, backoff_s=10)),
}
"""Our defaults, which the configuration overrides."""

_SHARED = (Volume(claim="bit", path="/mnt/bit"),)


Seconds = Annotated[int, Field(ge=1, le=2**31 - 1)]
ImageName = Annotated[str, matching(r"\S+", "the name of an image, without spaces")]


class KubeflowConfig(Section):
    """Kubeflow Pipelines: storage, metadata, image, and what every task's pod gets."""

    image: ImageName | None = Field(
        None,
        description="The container image of every step, best by digest (registry/bit@sha256:...). "
        "Required to compile.",
    )
    output: str | None = Field(
        None,
        description="The output folder of the pipeline: on a volume (/mnt/bit/flowers), or "
        "gs://bucket/folder; null is /mnt/bit/<pipeline name>.",
    )
    metadata: Metadata = Metadata()
    rejected: Literal["succeed", "fail"] = Field(
        "succeed",
        description="The state in KFP of a run whose model a gate rejected.",
    )
    deadline_s: Seconds | None = Field(
        None,
        description="The most seconds that a run may take, with all retries and waits, before it "
        "is ended; null is no limit. Needs a server of KFP 2.17.",
    )
    ttl_s: Seconds | None = Field(
        None,
        description="The seconds for which a finished run's Argo workflow, with its pods and their "
        "logs, stays in the cluster; null is as the server has it. Retry needs the workflow. "
        "Needs a server of KFP 2.17.",
    )
    image_pull_secrets: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (), description="Secrets for pulling from the image's registry."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None,
        description="When to pull the image; null is Kubernetes' default: Always for the tag "
        "latest, otherwise IfNotPresent.",
    )
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] | None = Field(
        None,
        description="Volumes of every step; null is the claim bit at /mnt/bit, or none if output "
        "is gs://.",
    )
    steps: dict[str, Pod] = Field(
        {},
        description="The pods by task: prepare, a step (Trainer, ...), finish, score (batch "
        "scoring); or default, for all tasks.",
    )

    @field_validator("steps")
    @classmethod
    def _steps_exist(cls, steps: dict[str, Pod]) -> dict[str, Pod]:
        known = ("default", *TASKS, SCORE)
        for name in steps:
            if name not in known:
                raise ValueError(f"there is no step {name!r}; there are: {', '.join(known)}")
        return steps

    @field_validator("output")
    @classmethod
    def _output_is_reachable(cls, output: str | None) -> str | None:
        if output is None or output.startswith("/"):
            return output
        scheme, separator, rest = output.partition("://")
        if separator and scheme == "gs" and rest.strip("/"):
            return output.rstrip("/")
        if separator and scheme in ("s3", "minio"):
            raise ValueError(
                f"{scheme}:// cannot be read by TensorFlow 2.16 or 2.21: its S3 file system went "
                "to tensorflow-io, which has no release for 2.21. Mount the bucket as a volume (a "
                "CSI driver) and give the path, or use gs://"
            )
        raise ValueError("must be an absolute path on a volume or gs://bucket/folder")

    @model_validator(mode="after")
    def _pods_hold_together(self) -> KubeflowConfig:
        for task in (*TASKS, SCORE):
            step = self.step(task)
            files = step.secret_files or ()
            names = [v.claim for v in step.volumes or ()] + [f.secret for f in files]
            paths = [v.path for v in step.volumes or ()] + [f.path for f in files]
            for what, found in (("volume", names), ("path", paths)):
                twice = next((item for item in found if found.count(item) > 1), None)
                if twice:
                    raise ValueError(f"the pod of {task} would have the {what} {twice} twice")
            for kind in ("cpu", "memory"):
                request, limit = getattr(step, f"{kind}_request"), getattr(step, f"{kind}_limit")
                if request and limit and amount(request) > amount(limit):
                    raise ValueError(
                        f"{task}: {kind}_request {request} is more than {kind}_limit {limit}"
                    )
            if step.timeout_s and self.deadline_s and step.timeout_s > self.deadline_s:
                raise ValueError(
                    f"{task}: timeout_s {step.timeout_s} is more than deadline_s "
                    f"{self.deadline_s}, which ends the whole run"
                )
            retries = step.retries
            if step.timeout_s and retries and retries.within_s <= step.timeout_s:
                raise ValueError(
                    f"{task}: retries.within_s {retries.within_s} must be more than timeout_s "
                    f"{step.timeout_s}, or no attempt that timed out would be retried"
                )
        return self

    def lost_path(
        self, paths: Mapping[str, str | None], tasks: Sequence[str] = TASKS
    ) -> str | None:
        """The first key, with its path, whose path is not on a volume that each task mounts."""
        for key, path in paths.items():
            if path and path.startswith("/") and not self._is_shared(path, tasks):
                return f"{key} {path}"
        return None

    def _is_shared(self, path: str, tasks: Sequence[str]) -> bool:
        return all(
            any(
                f"{path}/".startswith(f"{v.path.rstrip('/')}/")
                for v in self.step(task).volumes or ()
            )
            for task in tasks
        )

    def output_of(self, pipeline_name: str) -> str:
        """The output folder of a pipeline: a path or a gs:// URI."""
        return self.output or f"/mnt/bit/{pipeline_name}"

    def step(self, task: str) -> Pod:
        """The pod of a task: the configuration over our defaults, its own over `default`."""
        ours = _SHIPPED.get(task, Pod()).over(_SHIPPED["default"])
        given = self.steps.get(task, Pod()).over(self.steps.get("default", Pod()))
        lowered = {}
        for kind in ("cpu", "memory"):
            limit, request = getattr(given, f"{kind}_limit"), getattr(ours, f"{kind}_request")
            # A user who lowers a limit need not know our request.
            if limit and request and amount(request) > amount(limit):
                lowered[f"{kind}_request"] = limit
        found = given.over(ours.model_copy(update=lowered))
        if task == REJECTED_TASK:
            found = found.model_copy(update={"retries": Retries(count=0)})
        own = (*self.shared_volumes(), *(found.volumes or ()))
        volumes = {volume.path: volume for volume in own}
        return found.model_copy(update={"volumes": tuple(volumes.values())})

    def shared_volumes(self) -> tuple[Volume, ...]:
        """The volumes of every step."""
        if self.volumes is not None:
            return self.volumes
        return () if (self.output or "").startswith("gs://") else _SHARED
