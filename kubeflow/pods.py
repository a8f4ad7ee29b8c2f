"""What a task's pod gets in a package: resources, retries, variables, labels, volumes, secrets.

>>> from pipeline.config import load_config
>>> config = load_config("digits", overrides=["kubeflow.image=registry/bit:1"])
>>> environment(config.kubeflow.step("Trainer"), config)["BIT_IMAGE"]
'registry/bit:1'
"""

from __future__ import annotations

from typing import Any

from kfp import kubernetes

from pipeline.config import Config
from pipeline.config.metadata_store import PASSWORD
from pipeline.config.pod import Pod


def place(task: Any, step: Pod, config: Config) -> None:
    """Where the task's pod runs and what it gets.

    Args:
      task: of the SDK.
      step: the pod, from `kubeflow.step`.
      config: the configuration.
    """
    kubeflow = config.kubeflow
    # TFX's cache decides; KFP's would skip the launcher that reads it.
    task.set_caching_options(False)
    for value, setter in (
        (step.cpu_request, task.set_cpu_request),
        (step.cpu_limit, task.set_cpu_limit),
        (step.memory_request, task.set_memory_request),
        (step.memory_limit, task.set_memory_limit),
    ):
        if value is not None:
            setter(value)
    if step.accelerator and step.accelerator.count:
        task.set_accelerator_type(step.accelerator.type)
        task.set_accelerator_limit(step.accelerator.count)
    if step.retries and step.retries.count:
        task.set_retry(
            num_retries=step.retries.count,
            backoff_duration=f"{step.retries.backoff_s}s",
            backoff_factor=step.retries.backoff_factor,
            backoff_max_duration=f"{step.retries.within_s}s",
        )
    for name, value in environment(step, config).items():
        task.set_env_variable(name, value)
    for label, value in {"pipeline": config.pipeline_name, **(step.labels or {})}.items():
        kubernetes.add_pod_label(task, label, value)
    for label, value in (step.node_selector or {}).items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in step.tolerations or ():
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.seconds,
        )
    _mount(task, step)
    if kubeflow.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(kubeflow.image_pull_secrets))
    if kubeflow.image_pull_policy:
        kubernetes.set_image_pull_policy(task, kubeflow.image_pull_policy)
    if step.timeout_s:
        kubernetes.set_timeout(task, step.timeout_s)


def environment(step: Pod, config: Config) -> dict[str, str]:
    """Variables of a task's container, those of Secrets apart."""
    output = config.kubeflow.output_of(config.pipeline_name)
    return {
        "BIT_IMAGE": step.image or str(config.kubeflow.image),
        "TFDS_DATA_DIR": f"{output}/data",
        "TFHUB_CACHE_DIR": f"{output}/hub",
        **(step.env or {}),
    }


def use_password(task: Any, config: Config) -> None:
    """Gives a task the password of the metadata store, by its Secret."""
    server = config.kubeflow.metadata.server
    if server and server.password_secret:
        kubernetes.use_secret_as_env(task, server.password_secret, {server.password_key: PASSWORD})


def _mount(task: Any, step: Pod) -> None:
    for secret in step.secret_variables or ():
        kubernetes.use_secret_as_env(task, secret.secret, {secret.key: secret.variable})
    for files in step.secret_files or ():
        kubernetes.use_secret_as_volume(task, files.secret, files.path)
    for volume in step.volumes or ():
        kubernetes.mount_pvc(task, volume.claim, volume.path, volume.sub_path)
    if step.shared_memory:
        kubernetes.empty_dir_mount(
            task, "shared-memory", "/dev/shm", medium="Memory", size_limit=step.shared_memory
        )
