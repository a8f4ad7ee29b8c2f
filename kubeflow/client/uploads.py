"""What a run needs on the server: the pipeline, its version, the experiment; found, or made.

`kubeflow.submit` finds or makes all three:

    from kubeflow.client.uploads import ensure_experiment, ensure_version

    version = ensure_version(server, package, namespace=None, name=None)
    experiment_id = ensure_experiment(server, package.name, namespace=None)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kfp_server_api

from components.errors import UserError
from kubeflow.client.errors import ConflictError, call
from kubeflow.client.package import Package
from kubeflow.client.server import Server


@dataclass(frozen=True)
class Version:
    """An uploaded version of a pipeline."""

    pipeline_id: str
    version_id: str
    name: str
    is_new: bool


def ensure_version(
    server: Server, package: Package, namespace: str | None, name: str | None
) -> Version:
    """Finds the package's version on the server, or uploads it.

    The pipeline is created empty: the server's own upload_pipeline would name the first version
    after the pipeline, and that one would never be found again by its content.

    Args:
      server: where.
      package: what.
      namespace: whose pipeline, on a server of many users.
      name: the version's name; by default one that follows from the package's bytes.

    Raises:
      UserError: the server refuses it, or a version of this name has another content.
    """
    pipeline_id = _ensure_pipeline(server, package.name, namespace)
    wanted = name or package.version_name
    listed = server.pipelines.pipeline_service_list_pipeline_versions
    try:
        found, is_new = _found_or_made(
            lambda: named("pipeline_versions", wanted, listed, pipeline_id=pipeline_id),
            f"upload {package.path}",
            server.uploads.upload_pipeline_version,
            uploadfile=str(package.path),
            name=wanted,
            pipelineid=pipeline_id,
            description=_mark(package),
        )
    except ConflictError:
        raise UserError(
            f"the version name {wanted} is taken by another pipeline of this namespace: "
            "choose one with --version-name."
        ) from None
    if name and _mark(package) not in (found.description or ""):
        raise UserError(
            f"version {name} of {package.name} exists already with different content from "
            f"{package.path}: choose another --version-name, or none."
        )
    return Version(pipeline_id, found.pipeline_version_id, wanted, is_new)


def ensure_experiment(server: Server, name: str, namespace: str | None) -> str:
    """The id of the experiment with this name, which is made where it is not there.

    Raises:
      UserError: the server refuses it, or the experiment is archived.
    """
    listed = server.experiments.experiment_service_list_experiments
    found, _ = _found_or_made(
        lambda: named("experiments", name, listed, namespace=namespace or ""),
        f"create experiment {name}",
        server.experiments.experiment_service_create_experiment,
        experiment=kfp_server_api.V2beta1Experiment(display_name=name, namespace=namespace),
    )
    if str(found.storage_state) == "ARCHIVED":
        raise UserError(
            f"experiment {name} is archived: restore it in the UI, or choose another --experiment."
        )
    return str(found.experiment_id)


def named(field: str, name: str, listed: Callable[..., Any], **options: Any) -> list[Any]:
    """All that have this display name.

    Args:
      field: of the server's list, such as "pipelines".
      name: the display name.
      listed: the method of kfp_server_api that lists them.
      options: its keywords.
    """
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    options |= {"filter": json.dumps({"predicates": [predicate]}), "page_size": 100}
    found: list[Any] = []
    token: str | None = ""
    while token is not None:
        doing = f"list {field.replace('_', ' ')}"
        page = call(doing, listed, page_token=token, **options)
        found += getattr(page, field) or []
        token = page.next_page_token or None
    return found


def _ensure_pipeline(server: Server, name: str, namespace: str | None) -> str:
    listed = server.pipelines.pipeline_service_list_pipelines
    found, _ = _found_or_made(
        lambda: named("pipelines", name, listed, namespace=namespace or ""),
        f"create pipeline {name}",
        server.pipelines.pipeline_service_create_pipeline,
        pipeline=kfp_server_api.V2beta1Pipeline(display_name=name, namespace=namespace),
    )
    return str(found.pipeline_id)


def _found_or_made(
    find: Callable[[], list[Any]], doing: str, make: Callable[..., Any], **options: Any
) -> tuple[Any, bool]:
    """What `find` finds, or what is made where it finds none; and whether it was made."""
    if found := find():
        return found[0], False
    try:
        return call(doing, make, **options), True
    except ConflictError:
        # Somebody else was faster.
        if found := find():
            return found[0], False
        raise


def _mark(package: Package) -> str:
    return f"sha256:{package.digest}"
