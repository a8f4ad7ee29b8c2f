"""The `kubeflow` section: where a cluster keeps the run's files, and what every pod gets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.section import Section
from pipeline.summary import STEPS

PREPARE, FINISH, REJECTED = "prepare", "finish", "model-rejected"
"""Tasks around TFX's nodes: before them, after them, and the one that a rejected model shows."""
TASKS = (PREPARE, *STEPS, FINISH)
PASSWORD = "BIT_METADATA_PASSWORD"
"""The variable that the Secret of the metadata store fills."""

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"
_NAME = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_ABSOLUTE = "^/"

Quantity = Annotated[str, Field(pattern=_QUANTITY)]
Name = Annotated[str, Field(pattern=_NAME)]


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
        pattern=_ABSOLUTE,
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


class Accelerator(Section):
    """GPUs of one pod; more than one are trained on together (MirroredStrategy)."""

    type: str = Field("nvidia.com/gpu", min_length=1, description="The resource's name.")
    count: int = Field(1, ge=0, le=64, description="How many; 0 takes a default's GPU away.")


class Toleration(Section):
    """A taint of nodes that the pod may run on all the same."""

    key: str | None = Field(None, description="The taint; null is every one.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="How value is compared.")
    value: str | None = Field(None, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="null is every effect."
    )
    seconds: int | None = Field(None, ge=0, description="How long a NoExecute taint is borne.")

    @model_validator(mode="after")
    def _as_kubernetes_wants_it(self) -> Toleration:
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs operator Exists")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds go with effect NoExecute")
        return self


class Volume(Section):
    """A PersistentVolumeClaim of the namespace, mounted."""

    claim: Name = Field(description="The claim's name.")
    path: str = Field(pattern=_ABSOLUTE, description="Where the pod sees it.")
    sub_path: str = Field("", description="A folder of the volume instead of its top.")


class SecretVariable(Section):
    """One key of a Secret as an environment variable."""

    secret: Name = Field(description="The Secret's name.")
    key: str = Field(min_length=1, description="The key in it.")
    variable: str = Field(pattern=_VARIABLE, description="The variable's name.")


class SecretFiles(Section):
    """All keys of a Secret as files."""

    secret: Name = Field(description="The Secret's name.")
    path: str = Field(pattern=_ABSOLUTE, description="The folder that holds them.")


class Retries(Section):
    """What happens when a pod fails or is evicted."""

    count: int = Field(2, ge=0, le=20, description="Attempts after the first.")
    backoff_s: int = Field(60, ge=0, description="Seconds before the first retry.")
    backoff_factor: float = Field(2.0, ge=1, description="Each wait is so many times the last.")
    backoff_max_s: int = Field(3600, ge=1, description="The longest wait in seconds.")


class Step(Section):
    """What one task's pod gets; what is null comes from `default`."""

    image: str | None = Field(None, min_length=1, description="An image other than the run's.")
    cpu_request: Quantity | None = Field(None, description="CPUs that must be free.")
    cpu_limit: Quantity | None = Field(None, description="CPUs at most.")
    memory_request: Quantity | None = Field(None, description="Memory that must be free.")
    memory_limit: Quantity | None = Field(None, description="Memory at most.")
    accelerator: Accelerator | None = Field(None, description="GPUs.")
    shared_memory: Quantity | None = Field(None, description="Size of /dev/shm, for many GPUs.")
    node_selector: dict[str, str] | None = Field(None, description="Labels that nodes must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(strict=False)] | None = Field(
        None, description="Taints that are borne."
    )
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] | None = Field(
        None, description="Volumes."
    )
    secret_variables: Annotated[tuple[SecretVariable, ...], Field(strict=False)] | None = Field(
        None, description="Secrets as variables."
    )
    secret_files: Annotated[tuple[SecretFiles, ...], Field(strict=False)] | None = Field(
        None, description="Secrets as files."
    )
    env: dict[str, str] | None = Field(None, description="Plain environment variables.")
    labels: dict[str, str] | None = Field(None, description="Labels of the pod.")
    retries: Retries | None = Field(None, description="Retries with back-off.")
    timeout_s: int | None = Field(None, ge=1, description="Seconds after which the pod is ended.")

    def over(self, default: Step) -> Step:
        """This step with what it leaves open taken from `default`."""
        given = {name: value for name, value in self if value is not None}
        return default.model_copy(update=given)


_SHIPPED = {
    "default": Step(
        cpu_request="1", memory_request="4Gi", memory_limit="8Gi", retries=Retries(count=2)
    ),
    "Trainer": Step(
        cpu_request="2",
        memory_request="8Gi",
        memory_limit="16Gi",
        accelerator=Accelerator(),
        shared_memory="2Gi",
    ),
    # A configuration that is refused once is refused again; an evicted pod is worth another.
    PREPARE: Step(retries=Retries(count=1, backoff_s=10)),
    REJECTED: Step(retries=Retries(count=0)),
}
"""What every step gets that the configuration does not speak of."""


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
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] = Field(
        (Volume(claim="bit", path="/mnt/bit"),), description="Volumes of every step."
    )
    steps: dict[str, Step] = Field(
        {},
        description="By task: prepare, a TFX node (Trainer, ...), finish; or default, for all.",
    )

    @field_validator("steps")
    @classmethod
    def _steps_exist(cls, steps: dict[str, Step]) -> dict[str, Step]:
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
    def _paths_are_on_a_volume(self) -> KubeflowConfig:
        for key, path in (("output", self.output), ("metadata.sqlite", self.metadata.sqlite)):
            if path and path.startswith("/") and not self.is_on_a_volume(path):
                raise ValueError(f"{key} {path} is on none of the volumes; a pod would lose it")
        return self

    @model_validator(mode="after")
    def _pods_hold_together(self) -> KubeflowConfig:
        for task in TASKS:
            step = self.step(task)
            files = step.secret_files or ()
            # KFP names a pod's volume after its claim or secret.
            names = [v.claim for v in step.volumes or ()] + [f.secret for f in files]
            paths = [v.path for v in step.volumes or ()] + [f.path for f in files]
            for what, found in (("volume", names), ("path", paths)):
                twice = next((item for item in found if found.count(item) > 1), None)
                if twice:
                    raise ValueError(f"the pod of {task} would have the {what} {twice} twice")
        return self

    def is_on_a_volume(self, path: str) -> bool:
        """Whether every step finds `path` again that another one wrote."""
        volumes = (*self.volumes, *(self.steps.get("default", Step()).volumes or ()))
        folders = (f"{volume.path.rstrip('/')}/" for volume in volumes)
        return any(f"{path.rstrip('/')}/".startswith(folder) for folder in folders)

    def output_of(self, pipeline_name: str) -> str:
        """Where the pipeline of this name keeps its files: a path or a gs:// address."""
        return self.output or f"/mnt/bit/{pipeline_name}"

    def step(self, task: str) -> Step:
        """All that is said of one task: its own over `default`, the configuration's over ours."""
        layers = (_SHIPPED, self.steps)
        found = Step()
        for name in ("default", task):
            for steps in layers:
                found = steps.get(name, Step()).over(found)
        volumes = {volume.path: volume for volume in (*self.volumes, *(found.volumes or ()))}
        return found.model_copy(update={"volumes": tuple(volumes.values())})
