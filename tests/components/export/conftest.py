"""One served model of digits for all tests of its conversions, and the images that it is asked."""

import json

import pytest

from components.export.convert import convert
from components.export.formats import FORMATS
from components.export.images import Labelled
from components.export.served import ServedModel, calibration_of
from components.trainer.train import train
from tests.components.trainer.jobs import _scans, make_job, png

WHITE = (255, 255, 255)


def labelled(indices):
    """Scans with their classes."""
    return [Labelled(f"scan {index}", int(_scans().target[index]), png(index)) for index in indices]


@pytest.fixture(scope="session")
def pushed(digits_folder):
    """A SavedModel that has learned, with the parts of a card that an export reads."""
    schedule = {"steps": 60, "boundaries": [40]}
    train(make_job(digits_folder, "exported", schedule=schedule, steps_per_epoch=20))
    folder = digits_folder / "exported" / "model"
    gate = {
        "key": "evaluation.min_accuracy",
        "subject": "accuracy",
        "limit": 0.5,
        "baseline": None,
        "point": None,
    }
    card = {
        "model": {"version": 7, "run_id": "20261130-101500-000000"},
        "preprocessing": {"evaluate": 24, "background": list(WHITE)},
        "split": "eval",
        "gates": [gate],
    }
    (folder / "assets.extra" / "model_card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def served(pushed):
    return ServedModel(str(pushed), WHITE)


@pytest.fixture(scope="session")
def judged():
    """Scans that the model has not seen."""
    return labelled(range(200, 300))


@pytest.fixture(scope="session")
def calibration(served):
    return calibration_of(served, labelled(range(100)))


@pytest.fixture(scope="session")
def conversions(served, calibration):
    """By the format's name: what the real converters make of the model."""
    return {
        name: convert(served.predict_pixels, format_, calibration)
        for name, format_ in FORMATS.items()
    }
