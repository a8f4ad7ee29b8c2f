"""The training curves, as pixels."""

import io

import pytest
import tensorflow as tf
from PIL import Image

from components.trainer.curves import CURVES, draw, write_curves

TRAINING, VALIDATION, RESTORED = (194, 87, 26), (27, 92, 184), (23, 112, 63)


def rows(count=6, **changed):
    return [
        {
            "epoch": epoch,
            "learning_rate": 0.1,
            "accuracy": 0.5 + 0.4 * epoch / count,
            "loss": 2.0 / epoch,
            "val_accuracy": 0.4 + 0.4 * epoch / count,
            "val_loss": 3.0 / epoch,
            "restored": int(epoch == count - 1),
            **changed,
        }
        for epoch in range(1, count + 1)
    ]


def halves(png):
    """Colour -> number of pixels, in the left half (accuracy) and in the right one (loss)."""
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    width, height = image.size
    # Without the legend above them, which has the colours too.
    top = height // 9
    found = []
    for box in ((0, top, width // 2, height), (width // 2, top, width, height)):
        pixels = image.convert("RGB").crop(box)
        colours = pixels.getcolors(pixels.width * pixels.height)
        found.append({colour: count for count, colour in colours})
    return found


@pytest.fixture(scope="module")
def usual():
    return draw(rows())


def test_both_series_and_the_restored_epoch_are_in_both_panels(usual):
    for panel in halves(usual):
        assert panel[TRAINING] > 500
        assert panel[VALIDATION] > 500
        assert panel[RESTORED] > 100


@pytest.mark.parametrize(
    ("missing", "colour", "panel"),
    [
        ("accuracy", TRAINING, 0),
        ("val_accuracy", VALIDATION, 0),
        ("loss", TRAINING, 1),
        ("val_loss", VALIDATION, 1),
    ],
)
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_series_without_numbers_is_absent_and_the_others_are_there(missing, colour, panel, value):
    found = halves(draw(rows(**{missing: value})))
    assert colour not in found[panel]
    assert all(
        each[other] > 500
        for at, each in enumerate(found)
        for other in (TRAINING, VALIDATION)
        if (at, other) != (panel, colour)
    )


def test_no_epoch_is_marked_where_none_was_restored():
    for panel in halves(draw(rows(restored=0))):
        assert RESTORED not in panel


def test_one_epoch_still_shows_its_four_numbers():
    for panel in halves(draw(rows(1, restored=1))):
        assert panel[TRAINING] > 20
        assert panel[VALIDATION] > 20


@pytest.mark.parametrize("count", [1, 8])
def test_the_last_epoch_is_not_called_restored(count):
    """The model has its weights without that."""
    for panel in halves(
        draw([{**row, "restored": int(row["epoch"] == count)} for row in rows(count)])
    ):
        assert RESTORED not in panel


def test_a_number_that_is_missing_is_a_gap_and_not_bridged(usual):
    broken = rows()
    for row in broken[2:4]:
        del row["loss"]
    whole, gap = halves(usual)[1], halves(draw(broken))[1]
    assert gap[TRAINING] < 0.7 * whole[TRAINING]


def test_long_histories_and_other_keys_are_drawn():
    for panel in halves(draw(rows(300, steps_per_second=3.0))):
        assert panel[TRAINING] > 500
        assert panel[VALIDATION] > 500


def test_it_is_written_below_a_folder_that_is_not_there_yet(tmp_path, usual):
    write_curves(rows(), str(tmp_path / "model_run"))
    assert (tmp_path / "model_run" / CURVES).read_bytes() == usual


def test_it_is_written_to_a_store(store, usual):
    write_curves(rows(), f"{store}/model_run")
    with tf.io.gfile.GFile(f"{store}/model_run/curves.png", "rb") as stream:
        assert stream.read() == usual
