"""What one task's pod gets on Kubernetes: resources, GPUs, volumes, secrets, retries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.section import Section

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"
_NAME = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_LABEL_NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
ABSOLUTE = "^/"
"""Pattern of a path that means the same in every pod."""

Quantity = Annotated[str, Field(pattern=_QUANTITY)]
Name = Annotated[str, Field(pattern=_NAME)]
VolumeName = Annotated[str, Field(pattern=_LABEL_NAME)]
"""KFP gives a pod's volume the name of its claim or Secret, which may then have no dot."""
LabelValue = Annotated[str, Field(pattern=_LABEL_VALUE)]
_UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


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

    claim: VolumeName = Field(description="The claim's name.")
    path: str = Field(pattern=ABSOLUTE, description="Where the pod sees it.")
    sub_path: str = Field("", description="A folder of the volume instead of its top.")


class SecretVariable(Section):
    """One key of a Secret as an environment variable."""

    secret: Name = Field(description="The Secret's name.")
    key: str = Field(min_length=1, description="The key in it.")
    variable: str = Field(pattern=_VARIABLE, description="The variable's name.")


class SecretFiles(Section):
    """All keys of a Secret as files."""

    secret: VolumeName = Field(description="The Secret's name.")
    path: str = Field(pattern=ABSOLUTE, description="The folder that holds them.")


class Retries(Section):
    """What happens when a pod fails or is evicted."""

    count: int = Field(2, ge=0, le=20, description="Attempts after the first.")
    backoff_s: int = Field(60, ge=0, description="Seconds before the first retry.")
    backoff_factor: int = Field(2, ge=1, le=10, description="Each wait is so many times the last.")
    within_s: int = Field(
        7 * 24 * 3600,
        ge=60,
        description="Seconds from the first attempt's start after which there is no retry, and a "
        "retry that still runs is ended.",
    )


class Pod(Section):
    """What one task's pod gets; what is null comes from `default`."""

    image: str | None = Field(None, min_length=1, description="An image other than the run's.")
    cpu_request: Quantity | None = Field(None, description="CPUs that must be free.")
    cpu_limit: Quantity | None = Field(None, description="CPUs at most.")
    memory_request: Quantity | None = Field(None, description="Memory that must be free.")
    memory_limit: Quantity | None = Field(None, description="Memory at most.")
    accelerator: Accelerator | None = Field(None, description="GPUs.")
    shared_memory: Quantity | None = Field(None, description="Size of /dev/shm, for many GPUs.")
    node_selector: dict[str, LabelValue] | None = Field(
        None, description="Labels that nodes must have."
    )
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
    labels: dict[str, LabelValue] | None = Field(None, description="Labels of the pod.")
    retries: Retries | None = Field(None, description="Retries with back-off.")
    timeout_s: int | None = Field(
        None,
        ge=1,
        description="Seconds after which one attempt is ended; that is a failure, and is retried.",
    )

    def over(self, default: Pod) -> Pod:
        """This step with what it leaves open taken from `default`."""
        given = {name: value for name, value in self if value is not None}
        return default.model_copy(update=given)


def amount(quantity: str) -> float:
    """A quantity of Kubernetes in CPUs or bytes."""
    number = quantity.rstrip("mkKMGTi")
    return float(number) * _UNITS[quantity[len(number) :]]
