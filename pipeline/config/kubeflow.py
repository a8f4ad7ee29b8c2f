"""The `kubeflow` section: where a cluster keeps the run's files, and what every pod gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.section import Section
from pipeline import steps
from pipeline.config.pod import (
    ABSOLUTE,
    Accelerator,
    Name,
    Pod,
    Retries,
    Volume,
    amount,
)

PREPARE, FINISH, REJECTED_TASK = "prepare", "finish", "model-rejected"
"""Tasks around TFX's nodes: before them, after them, and the one that a rejected model shows."""
TASKS = (PREPARE, *steps.STEPS, FINISH)
PASSWORD = "BIT_METADATA_PASSWORD"
"""The variable that the Secret of the metadata store fills."""


class MysqlMetadata(Section):
    """A MySQL or MariaDB server; the password comes from a Secret."""

    host: str = Field("mysql", min_length=1, description="Its address in the cluster.")
    port: int = Field(3306, ge=1, le=65535, description="Its port.")
    database: str = Field(
        "bit",
        pattern="^[A-Za-z0-9_]{1,64}$",
        description="A database of its own, made where it is missing; KFP's `metadb` is refused.",
    )
    user: str = Field("root", min_length=1, description="Who connects.")
    password_secret: Name | None = Field(
        "mysql-secret", description="The Secret with the password; null connects without one."
    )
    password_key: str = Field("password", min_length=1, description="The password's key in it.")

    @field_validator("database")
    @classmethod
    def _not_kubeflows_own(cls, database: str) -> str:
        if database.lower() in ("metadb", "mlpipeline", "cachedb", "mysql"):
            raise ValueError(f"{database} belongs to Kubeflow or to the server; give another name")
        return database


class Metadata(Section):
    """The ML Metadata store: one of the two."""

    mysql: MysqlMetadata | None = Field(MysqlMetadata(), description="A server, for any cluster.")
    sqlite: str | None = Field(
        None,
        pattern=ABSOLUTE,
        description="A file on a volume, for a cluster of one node: steps then run one at a time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _sqlite_alone_means_no_mysql(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("sqlite") and "mysql" not in values:
            return {**values, "mysql": None}
        return values

    @model_validator(mode="after")
    def _one_of_them(self) -> Metadata:
        if (self.mysql is None) == (self.sqlite is None):
            raise ValueError("give either mysql or sqlite")
        return self


_TRAINS = Pod(
    cpu_request="2",
    memory_request="8Gi",
    memory_limit="16Gi",
    accelerator=Accelerator(),
    shared_memory="2Gi",
)


def _pod_of(step: steps.Step) -> Pod:
    """What the table of steps says of a step's pod."""
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
"""What every step gets that the configuration does not speak of."""

_SHARED = (Volume(claim="bit", path="/mnt/bit"),)


class KubeflowConfig(Section):
    """Kubeflow Pipelines: storage, metadata, image, and what every task's pod gets."""

    image: str | None = Field(
        None,
        min_length=1,
        pattern=r"^\S+$",
        description="The image of every step, best by digest (registry/bit@sha256:...). Must be "
        "given to compile.",
    )
    output: str | None = Field(
        None,
        description="Folder of the pipeline on a volume (/mnt/bit/flowers), or gs://bucket/folder; "
        "null is /mnt/bit/<pipeline name>.",
    )
    metadata: Metadata = Metadata()
    rejected: Literal["succeed", "fail"] = Field(
        "succeed", description="How a run ends in KFP whose model a gate rejected."
    )
    image_pull_secrets: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (), description="Secrets for the image's registry."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="null is Kubernetes' own: Always for the tag latest alone."
    )
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] | None = Field(
        None,
        description="Volumes of every step; null is the claim bit at /mnt/bit, and none where "
        "output is gs://.",
    )
    steps: dict[str, Pod] = Field(
        {},
        description="By task: prepare, a TFX node (Trainer, ...), finish; or default, for all.",
    )

    @field_validator("steps")
    @classmethod
    def _steps_exist(cls, steps: dict[str, Pod]) -> dict[str, Pod]:
        known = ("default", *TASKS)
        for name in steps:
            if name not in known:
                raise ValueError(f"there is no step {name!r}; there are: {', '.join(known)}")
        return steps

    @field_validator("output")
    @classmethod
    def _output_can_be_had(cls, output: str | None) -> str | None:
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
        raise ValueError("it is an absolute path on a volume or gs://bucket/folder")

    @model_validator(mode="after")
    def _pods_hold_together(self) -> KubeflowConfig:
        for task in TASKS:
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
            retries = step.retries
            if step.timeout_s and retries and retries.within_s <= step.timeout_s:
                raise ValueError(
                    f"{task}: retries.within_s {retries.within_s} is not more than timeout_s "
                    f"{step.timeout_s}: no attempt that timed out would be retried"
                )
        return self

    def lost_path(self, paths: Mapping[str, str | None]) -> str | None:
        """The first key whose path is on no volume that every step mounts, with its path."""
        for key, path in paths.items():
            if path and path.startswith("/") and not self._is_shared(path):
                return f"{key} {path}"
        return None

    def _is_shared(self, path: str) -> bool:
        return all(
            any(
                f"{path}/".startswith(f"{v.path.rstrip('/')}/")
                for v in self.step(task).volumes or ()
            )
            for task in TASKS
        )

    def output_of(self, pipeline_name: str) -> str:
        """Where the pipeline of this name keeps its files: a path or a gs:// address."""
        return self.output or f"/mnt/bit/{pipeline_name}"

    def step(self, task: str) -> Pod:
        """All that is said of one task: the configuration's over ours, its own over `default`."""
        ours = _SHIPPED.get(task, Pod()).over(_SHIPPED["default"])
        given = self.steps.get(task, Pod()).over(self.steps.get("default", Pod()))
        lowered = {}
        for kind in ("cpu", "memory"):
            limit, request = getattr(given, f"{kind}_limit"), getattr(ours, f"{kind}_request")
            # Whoever sets a limit need not know what we would have asked for.
            if limit and request and amount(request) > amount(limit):
                lowered[f"{kind}_request"] = limit
        found = given.over(ours.model_copy(update=lowered))
        if task == REJECTED_TASK:
            found = found.model_copy(update={"retries": Retries(count=0)})
        own = (*self.shared_volumes(), *(found.volumes or ()))
        volumes = {volume.path: volume for volume in own}
        return found.model_copy(update={"volumes": tuple(volumes.values())})

    def shared_volumes(self) -> tuple[Volume, ...]:
        """Volumes of every step."""
        if self.volumes is not None:
            return self.volumes
        return () if (self.output or "").startswith("gs://") else _SHARED
