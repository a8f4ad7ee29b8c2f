"""Digits as examples with a transform graph, made once."""

import pytest

from tests.components.trainer import jobs


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """100 scans to train on, 33 to look at, 24 px."""
    folder = tmp_path_factory.mktemp("digits")
    jobs.write_examples(folder)
    jobs.write_graph(folder)
    return folder
