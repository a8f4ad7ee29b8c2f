"""What an export's record says of the answers, by the card of the served model."""

import json
from dataclasses import asdict

import numpy as np

from components.evaluator.abstention import Abstention
from components.pusher.card import make_card
from components.pusher.card_text import render_json
from components.trainer.calibration import calibrate
from pipeline.run.export import answers_of
from tests.cards import evidence, settings


def card(**found):
    """A card as it is read from a pushed version."""
    return json.loads(render_json(make_card(settings(), evidence(**found), 7, "2026-11-30")))


def test_the_temperature_and_the_threshold_are_those_of_the_card():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    calibration = calibrate(4 * (np.eye(3)[labels] + generator.normal(0, 1, (300, 3))), labels)
    assert calibration.temperature > 2
    found = card(
        trained={"plan": {}, "calibration": asdict(calibration)},
        abstention=Abstention(0.6, images=80, named=70, accuracy=0.99),
    )
    assert answers_of(found) == {"temperature": calibration.temperature, "min_confidence": 0.6}
    # The card has the numbers, and the report the curves.
    assert found["calibration"].keys() == {
        "temperature", "images", "loss_before", "loss", "error_before", "error",
    }  # fmt: skip


def test_a_model_without_them_and_a_card_of_an_earlier_version_say_so():
    nothing = {"temperature": None, "min_confidence": None}
    assert answers_of(card()) == nothing
    assert answers_of({"model": {"version": 7}}) == nothing
