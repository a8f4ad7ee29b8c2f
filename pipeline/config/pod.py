"""What one task's pod gets on Kubernetes: resources, GPUs, volumes, secrets, retries.

>>> Pod(memory_limit="16Gi").over(Pod(cpu_request="2", memory_limit="8Gi")).memory_limit
'16Gi'
>>> amount("500m"), amount("2Ki")
(0.5, 2048.0)
>>> Pod(memory_limit="16 GB")
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for Pod
memory_limit
  must be a Kubernetes quantity such as 500m, 2 or 8Gi ...
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.section import Section, matching

Quantity = Annotated[
    str,
    matching(
        r"[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?",
        "a Kubernetes quantity such as 500m, 2 or 8Gi",
    ),
]
Name = Annotated[
    str,
    matching(
        "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        "a Kubernetes name: lower-case letters, digits, dashes and dots, with a letter or digit at "
        "either end",
    ),
]
VolumeName = Annotated[
    str,
    matching(
        "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "1 to 63 lower-case letters, digits and dashes, without a dash at either end",
    ),
]
"""KFP names a pod's volume after its claim or Secret, whose name must then not have a dot."""
LabelValue = Annotated[
    str,
    matching(
        "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?",
        "a label value: at most 63 letters, digits, dashes, underscores and dots, with a letter or "
        "digit at either end",
    ),
]
VariableName = Annotated[
    str,
    matching(
        "[A-Za-z_][A-Za-z0-9_]*",
        "the name of an environment variable: letters, digits and underscores, without a digit at "
        "the beginning",
    ),
]
AbsolutePath = Annotated[str, matching("(?s:/.*)", "an absolute path, which begins with /")]
"""A path that means the same in every pod."""
_UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Accelerator(Section):
    """The GPUs of one pod; several are used together (MirroredStrategy)."""

    type: str = Field(
        "nvidia.com/gpu", min_length=1, description="The name of the Kubernetes resource."
    )
    count: int = Field(
        1, ge=0, le=64, description="The number of GPUs; 0 removes the default's GPU."
    )


class Toleration(Section):
    """A toleration: a node taint that does not keep the pod off the node."""

    key: str | None = Field(None, description="The key of the taint; null tolerates every taint.")
    operator: Literal["Equal", "Exists"] = Field(
        "Equal", description="How `value` is compared with that of the taint; `Exists` ignores it."
    )
    value: str | None = Field(None, description="The value of the taint, for operator `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The effect of the taint; null tolerates every effect."
    )
    seconds: int | None = Field(
        None,
        ge=0,
        description="Seconds for which a NoExecute taint is tolerated; null is without limit.",
    )

    @model_validator(mode="after")
    def _as_kubernetes_wants_it(self) -> Toleration:
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs operator Exists")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds needs effect NoExecute")
        return self


class Volume(Section):
    """A PersistentVolumeClaim of the namespace, mounted into the pod."""

    claim: VolumeName = Field(description="The name of the claim.")
    path: AbsolutePath = Field(description="The folder in the pod at which it is mounted.")
    sub_path: str = Field("", description="A folder of the volume to mount instead of its root.")


class SecretVariable(Section):
    """One key of a Secret as an environment variable."""

    secret: Name = Field(description="The name of the Secret.")
    key: str = Field(min_length=1, description="The key in the Secret.")
    variable: VariableName = Field(description="The name of the environment variable.")


class SecretFiles(Section):
    """All keys of a Secret as files."""

    secret: VolumeName = Field(description="The name of the Secret.")
    path: AbsolutePath = Field(description="The folder in the pod for the files.")


class Retries(Section):
    """What happens when a pod fails or is evicted."""

    count: int = Field(2, ge=0, le=20, description="The number of attempts after the first.")
    backoff_s: int = Field(60, ge=0, description="Seconds before the first retry.")
    backoff_factor: int = Field(
        2, ge=1, le=10, description="The factor between the waits before successive retries."
    )
    within_s: int = Field(
        7 * 24 * 3600,
        ge=60,
        description="Seconds since the start of the first attempt after which no retry starts, and "
        "a running retry is stopped.",
    )


class Pod(Section):
    """What one task's pod gets; null takes the value of `default`."""

    image: str | None = Field(
        None, min_length=1, description="The image of this task, instead of kubeflow.image."
    )
    cpu_request: Quantity | None = Field(None, description="CPUs to reserve.")
    cpu_limit: Quantity | None = Field(None, description="The largest number of CPUs.")
    memory_request: Quantity | None = Field(None, description="Memory to reserve.")
    memory_limit: Quantity | None = Field(None, description="The largest amount of memory.")
    accelerator: Accelerator | None = Field(None, description="The GPUs of the pod.")
    shared_memory: Quantity | None = Field(
        None, description="The size of /dev/shm, which several GPUs need."
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None, description="Labels that a node must have to run the pod."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(strict=False)] | None = Field(
        None, description="Node taints that the pod tolerates."
    )
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] | None = Field(
        None, description="Volumes to mount, in addition to kubeflow.volumes."
    )
    secret_variables: Annotated[tuple[SecretVariable, ...], Field(strict=False)] | None = Field(
        None, description="Keys of Secrets to set as environment variables."
    )
    secret_files: Annotated[tuple[SecretFiles, ...], Field(strict=False)] | None = Field(
        None, description="Secrets to mount as files."
    )
    env: dict[str, str] | None = Field(None, description="Environment variables to set.")
    labels: dict[str, LabelValue] | None = Field(None, description="Labels of the pod.")
    retries: Retries | None = Field(None, description="Retries after a failure or an eviction.")
    timeout_s: int | None = Field(
        None,
        ge=1,
        description="Seconds after which an attempt is stopped as failed, and retried.",
    )

    def over(self, default: Pod) -> Pod:
        """This pod with its null values taken from `default`."""
        given = {name: value for name, value in self if value is not None}
        return default.model_copy(update=given)


def amount(quantity: str) -> float:
    """Converts a Kubernetes quantity to CPUs or bytes."""
    number = quantity.rstrip("mkKMGTi")
    return float(number) * _UNITS[quantity[len(number) :]]
