"""The log folder of one run on this disk."""

import pytest

from kubeflow.run_folder import RunFolder
from pipeline.run.layout import Layout


@pytest.fixture
def folder(tmp_path):
    return RunFolder(Layout(tmp_path), "run-1")
