"""One small training for all tests of a server, and one server for most of them."""

import pytest

from serving.environment import is_set_up
from tests.components.trainer.jobs import png

FACTORS = (1.0, 2.0, 0.5)
"""Of the heads of the three models that are served in turns."""
IMAGES = 12


@pytest.fixture(scope="session")
def images():
    return [png(index) for index in range(100, 100 + IMAGES)]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of three models."""
    if not is_set_up():
        pytest.skip("needs .venv-serve: make serve-setup")
    from tests.serving.models import steeper, trained

    folder = tmp_path_factory.mktemp("models")
    first = trained(folder)
    return [first, *(steeper(first, folder / str(each), each) for each in FACTORS[1:])]


@pytest.fixture(scope="session")
def answers(models, images):
    """Probabilities of each model for each image, by TensorFlow's own call in this process."""
    from tests.serving.models import direct

    return [direct(model, images) for model in models]


@pytest.fixture(scope="module")
def serving(models, tmp_path_factory):
    """A serving folder with the first model as version 100."""
    from tests.serving.models import push

    folder = tmp_path_factory.mktemp("output") / "serving"
    push(models[0], folder, now=100)
    return folder
