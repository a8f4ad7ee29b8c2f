"""Clusters of other engines, and how a run is sent to them."""

import json

import pytest

from tests.beam.comparison import GATES
from tests.e2e.conftest import run  # noqa: F401  # A fixture.
from tests.engines.flink.cluster import Cluster
from tests.engines.packages import FLINK


@pytest.fixture(scope="session")
def in_process(run, tmp_path_factory):  # noqa: F811
    """The run of `GATES` that the others are held to: one for all of them, of 60 s."""
    return run(tmp_path_factory.mktemp("in_process"), *GATES)


def on(cluster, **options):
    """`--set` of a run on a cluster."""
    section = cluster.section(**options)
    return (
        f"beam.runner={section['runner']}",
        f"beam.options={json.dumps(section['options'])}",
    )


@pytest.fixture(scope="session")
def flink(tmp_path_factory):
    """Two task managers of a slot each."""
    lacking = FLINK.missing()
    if lacking:
        pytest.skip(lacking)
    with Cluster(tmp_path_factory.mktemp("flink")) as cluster:
        yield cluster
