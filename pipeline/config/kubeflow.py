"""The `kubeflow` section: where a cluster stores the run's files, and what every pod gets.

>>> section = KubeflowConfig(image="registry/bit:1", steps={"Trainer": {"memory_limit": "32Gi"}})
>>> trainer = section.step("Trainer")
>>> trainer.memory_limit, trainer.memory_request, trainer.accelerator.count
('32Gi', '8Gi', 1)
>>> section.output_of("flowers"), [volume.claim for volume in trainer.volumes]
('/mnt/bit/flowers', ['bit'])
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.section import Section, matching
from pipeline import steps
from pipeline.config.pod import (
    AbsolutePath,
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
PASSWORD = "BIT_METADATA_PASSWORD"
"""The environment variable for the password of the metadata store."""


DatabaseName = Annotated[
    str, matching("[A-Za-z0-9_]{1,64}", "1 to 64 letters, digits and underscores")
]


class MysqlMetadata(Section):
    """A MySQL or MariaDB server; the password comes from a Secret."""

    host: str = Field(
        "mysql", min_length=1, description="The address of the server in the cluster."
    )
    port: int = Field(3306, ge=1, le=65535, description="The port of the server.")
    database: DatabaseName = Field(
        "bit",
        description="The database, which is created if it is missing; it must not be one of KFP's, "
        "such as `metadb`.",
    )
    user: str = Field("root", min_length=1, description="The user of the database.")
    password_secret: Name | None = Field(
        "mysql-secret",
        description="The Secret with the password; null connects without a password.",
    )
    password_key: str = Field(
        "password", min_length=1, description="The key of the password in the Secret."
    )

    @field_validator("database")
    @classmethod
    def _not_kubeflows_own(cls, database: str) -> str:
        if database.lower() in ("metadb", "mlpipeline", "cachedb", "mysql"):
            raise ValueError(f"{database} belongs to Kubeflow or to the server; give another name")
        return database


class Metadata(Section):
    """The ML Metadata store: one of the two."""

    mysql: MysqlMetadata | None = Field(
        MysqlMetadata(), description="A MySQL or MariaDB server, for any cluster."
    )
    sqlite: AbsolutePath | None = Field(
        None,
        description="An SQLite file on a volume, for a cluster of one node; steps then run one at "
        "a time.",
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

    def without_password(self) -> str:
        """As JSON, for `pipeline.run.connection.connection_config`."""
        if self.sqlite:
            return json.dumps({"sqlite": self.sqlite})
        assert self.mysql is not None
        mysql = self.mysql.model_dump(include={"host", "port", "database", "user"})
        return json.dumps({"mysql": mysql})


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
