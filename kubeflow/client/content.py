"""What has to be on the server before a run: the pipeline, its version, the experiment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kfp_server_api

from components.errors import UserError
from kubeflow.client.connection import Server
from kubeflow.client.errors import ConflictError, call
from kubeflow.client.package import Package


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
    found = _find_version(server, pipeline_id, wanted)
    if found is None:
        try:
            made = call(
                f"upload {package.path}",
                server.uploads.upload_pipeline_version,
                str(package.path),
                name=wanted,
                pipelineid=pipeline_id,
                description=_mark(package),
            )
            return Version(pipeline_id, made.pipeline_version_id, wanted, True)
        except ConflictError:
            # Somebody uploaded it since we looked.
            found = _find_version(server, pipeline_id, wanted)
            if found is None:
                raise UserError(
                    f"the version name {wanted} is taken by another pipeline of this namespace: "
                    "choose one with --version-name."
                ) from None
    if name and _mark(package) not in (found.description or ""):
        raise UserError(
            f"version {name} of {package.name} is there already with another content than "
            f"{package.path}: choose another --version-name, or none."
        )
    return Version(pipeline_id, found.pipeline_version_id, wanted, False)


def ensure_experiment(server: Server, name: str, namespace: str | None) -> str:
    """The id of the experiment with this name, made where it is not there."""
    found = _found_or_made(
        lambda: _find_experiment(server, name, namespace),
        f"create experiment {name}",
        server.experiments.experiment_service_create_experiment,
        experiment=kfp_server_api.V2beta1Experiment(display_name=name, namespace=namespace),
    )
    if str(found.storage_state) == "ARCHIVED":
        raise UserError(
            f"experiment {name} is archived: restore it in the UI, or choose another --experiment."
        )
    return str(found.experiment_id)


def equals(key: str, value: str) -> str:
    """KFP's filter for one field, as lists take it."""
    predicate = {"operation": "EQUALS", "key": key, "stringValue": value}
    return json.dumps({"predicates": [predicate]})


def _ensure_pipeline(server: Server, name: str, namespace: str | None) -> str:
    found = _found_or_made(
        lambda: _find_pipeline(server, name, namespace),
        f"create pipeline {name}",
        server.pipelines.pipeline_service_create_pipeline,
        pipeline=kfp_server_api.V2beta1Pipeline(display_name=name, namespace=namespace),
    )
    return str(found.pipeline_id)


def _found_or_made(
    find: Callable[[], Any], doing: str, create: Callable[..., Any], **options: Any
) -> Any:
    """What `find` finds, made where there is none; somebody else may make it meanwhile."""
    found = find()
    if found is None:
        try:
            return call(doing, create, **options)
        except ConflictError:
            found = find()
            if found is None:
                raise
    return found


def _find_pipeline(server: Server, name: str, namespace: str | None) -> Any:
    listed = server.pipelines.pipeline_service_list_pipelines
    return _first(name, "list pipelines", listed, "pipelines", namespace=namespace or "")


def _find_version(server: Server, pipeline_id: str, name: str) -> Any:
    listed = server.pipelines.pipeline_service_list_pipeline_versions
    return _first(name, "list the pipeline's versions", listed, "pipeline_versions", pipeline_id)


def _find_experiment(server: Server, name: str, namespace: str | None) -> Any:
    listed = server.experiments.experiment_service_list_experiments
    return _first(name, "list experiments", listed, "experiments", namespace=namespace or "")


def _first(
    name: str, doing: str, listed: Callable[..., Any], field: str, *args: Any, **options: Any
) -> Any:
    """The first of a list with this display name, or None."""
    page = call(doing, listed, *args, filter=equals("display_name", name), **options)
    return next(iter(getattr(page, field) or []), None)


def _mark(package: Package) -> str:
    return f"sha256:{package.digest}"
