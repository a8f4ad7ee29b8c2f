"""The serving folder."""

import os
import shutil
import time

import pytest
import tensorflow as tf

from components.digests import digest_of_folder
from components.pusher.versions import (
    CARD_JSON,
    CARD_MARKDOWN,
    add_version,
    model_digest,
    served,
    served_digest,
    versions,
)
from components.storage import as_path, copy_tree


def card(version):
    return {
        CARD_JSON: f'{{"version": {version.name}}}'.encode(),
        CARD_MARKDOWN: f"# {version.name}, ä".encode(),
    }


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "data").write_text("weights")
    return folder


def test_a_folder_that_is_not_there_serves_nothing(tmp_path):
    assert versions(tmp_path / "serving") == []
    assert served(tmp_path / "serving") is None
    assert served_digest(tmp_path / "serving") == ""


def test_the_first_version_is_the_time(tmp_path, model):
    target = add_version(model, tmp_path / "serving", 1_700_000_000)
    assert target == tmp_path / "serving" / "1700000000"
    assert (target / "variables" / "data").read_text() == "weights"
    assert served(tmp_path / "serving") == target


def test_a_later_push_is_always_the_higher_number(tmp_path, model):
    serving = tmp_path / "serving"
    numbers = [int(add_version(model, serving, now).name) for now in (100, 100, 50, 200)]
    assert numbers == [100, 101, 102, 200]
    assert versions(serving) == numbers


def test_what_an_interrupted_push_left_is_no_version_and_is_cleared_after_a_day(tmp_path, model):
    serving = tmp_path / "serving"
    for name, age_s in ((".unfinished-old", 90_000), (".unfinished-new", 60)):
        (serving / name).mkdir(parents=True)
        then = time.time() - age_s
        os.utime(serving / name, (then, then))
    assert versions(serving) == []
    add_version(model, serving, 8)
    assert sorted(path.name for path in serving.iterdir()) == [".unfinished-new", "8"]


def test_two_pushes_at_once_are_two_whole_versions(tmp_path, model):
    serving, other = tmp_path / "serving", tmp_path / "other"
    shutil.copytree(model, other)
    (other / "saved_model.pb").write_text("another graph")

    def push_the_other_first(target):
        if not versions(serving):
            assert add_version(other, serving, 8).name == target.name == "8"

    assert add_version(model, serving, 8, push_the_other_first).name == "9"
    assert versions(serving) == [8, 9]
    assert digest_of_folder(serving / "8") == digest_of_folder(other)
    assert digest_of_folder(serving / "9") == digest_of_folder(model)


def test_a_copy_that_lost_a_file_is_not_served(tmp_path, model, monkeypatch):
    def lose(source, target):
        copy_tree(source, target)
        (target / "variables" / "data").unlink()

    monkeypatch.setattr("components.pusher.versions.copy_tree", lose)
    with pytest.raises(RuntimeError, match="not a whole copy"):
        add_version(model, tmp_path / "serving", 8)
    assert versions(tmp_path / "serving") == []


def test_other_folders_are_left_alone(tmp_path, model):
    serving = tmp_path / "serving"
    (serving / "notes").mkdir(parents=True)
    add_version(model, serving, 8)
    assert versions(serving) == [8]
    assert (serving / "notes").is_dir()


def test_the_digest_is_the_served_versions(tmp_path, model):
    serving = tmp_path / "serving"
    add_version(model, serving, 1)
    first = served_digest(serving)
    (model / "saved_model.pb").write_text("another graph")
    add_version(model, serving, 2)
    assert served_digest(serving) != first


def test_the_card_is_in_the_version_and_no_part_of_its_digest(tmp_path, model):
    serving = tmp_path / "serving"
    numbers = [add_version(model, serving, 8, extras=card).name for _ in range(2)]
    for number in numbers:
        assert (serving / number / CARD_JSON).read_text() == f'{{"version": {number}}}'
        assert (serving / number / CARD_MARKDOWN).read_text(encoding="utf-8") == f"# {number}, ä"
        assert model_digest(serving / number) == digest_of_folder(model)
    assert served_digest(serving) == digest_of_folder(model)
    assert not (model / CARD_JSON).exists()


@pytest.mark.parametrize(
    "other", ["assets.extra/labels.txt", "model_card.json", "assets/model_card.md"]
)
def test_the_digest_leaves_out_the_card_and_nothing_else(model, other):
    before = model_digest(model)
    for name in (CARD_JSON, CARD_MARKDOWN):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("of a push")
    assert model_digest(model) == before
    (model / other).parent.mkdir(exist_ok=True)
    (model / other).write_text("the model's own")
    assert model_digest(model) != before


def test_the_models_own_extras_are_served_beside_the_card(tmp_path, model):
    (model / "assets.extra").mkdir()
    (model / "assets.extra" / "labels.txt").write_text("warm up")
    target = add_version(model, tmp_path / "serving", 8, extras=card)
    names = sorted(path.name for path in (target / "assets.extra").iterdir())
    assert names == ["labels.txt", "model_card.json", "model_card.md"]


def test_a_number_that_another_push_took_is_not_on_the_card(tmp_path, model):
    serving = tmp_path / "serving"

    def push_another_first(target):
        if not versions(serving):
            add_version(model, serving, 8, extras=card)

    target = add_version(model, serving, 8, push_another_first, card)
    assert target.name == "9"
    for number in (8, 9):
        assert (serving / str(number) / CARD_JSON).read_text() == f'{{"version": {number}}}'


def test_a_card_that_cannot_be_made_leaves_serving_as_it_was(tmp_path, model):
    serving = tmp_path / "serving"
    add_version(model, serving, 7, extras=card)
    with pytest.raises(ZeroDivisionError):
        add_version(model, serving, 8, extras=lambda _: 1 / 0)
    assert versions(serving) == [7]


def test_in_a_store_the_card_is_there_before_a_server_can_see_the_version(
    store, model, monkeypatch
):
    serving = as_path(store) / "serving"
    copy, there = tf.io.gfile.copy, []

    def look(source, target, **more):
        if target.endswith("saved_model.pb"):
            there.append(tf.io.gfile.exists(f"{store}/serving/8/{CARD_JSON}"))
        copy(source, target, **more)

    monkeypatch.setattr(tf.io.gfile, "copy", look)
    target = add_version(model, serving, 8, extras=card)
    assert there == [True]
    assert (target / CARD_MARKDOWN).read_text(encoding="utf-8") == "# 8, ä"
    assert served_digest(serving) == digest_of_folder(model)


def test_a_version_in_a_store_is_whole_and_the_highest(store, model):
    serving = as_path(store) / "serving"
    assert (versions(serving), served(serving), served_digest(serving)) == ([], None, "")
    numbers = [int(add_version(model, serving, now).name) for now in (100, 100, 50, 200)]
    assert numbers == [100, 101, 102, 200]
    assert versions(serving) == numbers
    assert str(served(serving)) == f"{store}/serving/200"
    assert served_digest(serving) == digest_of_folder(model)


def test_a_push_into_a_store_that_breaks_off_is_no_version_and_the_next_clears_it(
    store, model, monkeypatch
):
    serving = as_path(store) / "serving"
    add_version(model, serving, 7)
    copy = tf.io.gfile.copy

    def break_off(source, target, **more):
        if target.endswith("saved_model.pb"):
            raise tf.errors.UnavailableError(None, None, "the network is gone")
        copy(source, target, **more)

    with monkeypatch.context() as broken:
        broken.setattr(tf.io.gfile, "copy", break_off)
        with pytest.raises(tf.errors.UnavailableError):
            add_version(model, serving, 8)
    assert (serving / "8" / "variables" / "data").exists()
    assert str(served(serving)) == f"{store}/serving/7"
    # A server may have tried to load that number, and its push may still go on.
    assert add_version(model, serving, 8).name == "9"
    assert sorted(path.name for path in serving.iterdir()) == ["7", "8", "9"]
    assert add_version(model, serving, 100_000).name == "100000"
    assert sorted(path.name for path in serving.iterdir()) == ["100000", "7", "9"]
