"""The baseline, chosen in a real metadata store and a real folder of versions."""

import json
import shutil
from pathlib import Path

import pytest

from components.digests import digest_of_classes
from components.errors import UserError
from components.evaluator.baseline import BestServedStrategy
from components.lineage import SERVING_MODEL, damage_of, warnings_of
from components.pusher.versions import model_digest
from tests.components.evaluator.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def saved_model(model):
    return Path(model.uri, SERVING_MODEL)


def damage_by_name(folder, kind):
    if kind == "deleted":
        shutil.rmtree(folder)
    elif kind == "emptied":
        shutil.rmtree(folder)
        folder.mkdir()
    elif kind == "cut":
        (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:100])
    elif kind == "changed":
        content = (folder / "saved_model.pb").read_bytes()
        (folder / "saved_model.pb").write_bytes(content[::-1])
    elif kind == "part":
        shutil.rmtree(folder / "variables")


DAMAGES = ("deleted", "emptied", "cut", "changed", "part")


class TestServed:
    def test_there_is_none_before_the_first_push(self, store):
        assert store.resolve(store.train()) == (None, None)
        store.judge(store.train())
        assert store.resolve(store.train()) == (None, None)

    def test_a_model_that_was_blessed_and_never_pushed_is_no_baseline_of_itself(self, store):
        good = store.serve()
        bad = store.train()
        store.judge(bad)
        assert store.resolve(bad) == (good.id, None)
        assert store.resolve(store.train()) == (good.id, None)

    def test_the_first_model_that_was_killed_before_its_push_has_none(self, store):
        first = store.train()
        store.judge(first)
        assert store.resolve(first) == (None, None)

    def test_a_push_that_ml_metadata_never_heard_of_serves(self, store):
        first = store.serve()
        second = store.train()
        store.judge(second)
        store.push(second, heard=False)
        assert store.resolve(store.train()) == (second.id, None)
        assert store.resolve(second) == (first.id, None)

    def test_the_model_that_serves_is_compared_with_the_one_before_it(self, store):
        first, second = store.serve(), store.serve()
        assert store.resolve(second) == (first.id, None)
        assert store.resolve(first) == (second.id, None)
        store.push(first)
        assert store.resolve(first) == (second.id, None)
        assert store.resolve(second) == (first.id, None)

    def test_a_candidate_of_the_same_bytes_is_the_model_that_serves(self, store):
        first = store.serve()
        again = store.train("the same")
        store.judge(again)
        store.push(again)
        twin = store.train("the same")
        assert store.resolve(twin) == (first.id, None)

    def test_emptied_serving_leaves_what_the_lineage_knows(self, store):
        first, second = store.serve(), store.serve()
        shutil.rmtree(store.serving)
        assert store.resolve(store.train()) == (second.id, None)
        assert store.resolve(second) == (first.id, None)

    def test_a_version_that_was_taken_out_serves_no_longer(self, store):
        first = store.serve()
        second = store.train()
        store.judge(second)
        shutil.rmtree(store.push(second))
        assert store.resolve(store.train()) == (first.id, None)
        assert store.resolve(second) == (first.id, None)

    def test_a_model_of_other_classes_cannot_be_compared(self, store):
        first = store.serve(accuracy=0.5, evaluation_data="a")
        store.serve(class_names="xyz", accuracy=0.9, evaluation_data="a")
        assert store.resolve(store.train()) == (first.id, None)
        assert best(store, store.train()) == (first.id, None)

    def test_a_version_that_was_damaged_since_is_what_was_pushed_as_it(self, store):
        store.serve()
        second = store.train()
        store.judge(second)
        (store.push(second) / "saved_model.pb").write_text("cut")
        assert store.resolve(store.train()) == (second.id, None)


def best(store, candidate=None, data="a"):
    given = {"evaluation_data": data, "missing": "floor"}
    return store.resolve(candidate, BestServedStrategy, **given)


class TestBest:
    def test_it_is_the_best_that_ever_served_on_the_same_data(self, store):
        good = store.serve(accuracy=0.9, evaluation_data="a")
        store.serve(accuracy=0.8, evaluation_data="a")
        store.serve(accuracy=0.99, evaluation_data="b")
        never_pushed = store.train()
        store.judge(never_pushed, accuracy=0.95, evaluation_data="a")
        assert best(store, never_pushed) == (good.id, None)
        assert best(store, data="c") == (None, None)

    def test_it_is_never_the_candidate(self, store):
        good = store.serve(accuracy=0.8, evaluation_data="a")
        better = store.serve(accuracy=0.9, evaluation_data="a")
        assert best(store, better) == (good.id, None)
        assert best(store, good) == (better.id, None)

    def test_one_that_was_taken_out_of_serving_did_serve(self, store):
        store.serve(accuracy=0.8, evaluation_data="a")
        better = store.train()
        store.judge(better, accuracy=0.9, evaluation_data="a")
        shutil.rmtree(store.push(better))
        assert best(store, store.train()) == (better.id, None)

    def test_of_equally_good_models_it_is_the_newer(self, store):
        store.serve(accuracy=0.9, evaluation_data="a")
        newer = store.serve(accuracy=0.9, evaluation_data="a")
        assert best(store) == (newer.id, None)


class TestDamaged:
    @pytest.mark.parametrize("kind", DAMAGES)
    def test_the_copy_that_serves_is_judged_in_its_place(self, store, kind):
        model = store.serve()
        digest = model_digest(saved_model(model))
        damage_by_name(saved_model(model), kind)
        assert damage_of(model)
        assert store.resolve(store.train()) == (model.id, model.id)
        assert damage_of(model, every_digest=True) == ""
        assert model_digest(saved_model(model)) == digest
        (text,) = warnings_of({"BaselineModel.damaged": model})
        assert model.uri in text
        assert str(store.serving) in text
        # It is whole again.
        assert store.resolve(store.train()) == (model.id, None)

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_where_no_copy_is_whole_it_is_named_and_there_is_no_baseline(self, store, kind):
        model = store.serve()
        damage_by_name(saved_model(model), kind)
        for folder in (*store.serving.iterdir(), *store.folder.glob("artifacts/Pusher/*/*")):
            (folder / "saved_model.pb").write_text("cut")
        assert store.resolve(store.train()) == (None, model.id)
        (text,) = warnings_of({"BaselineModel.damaged": model})
        assert model.uri in text
        assert "floors alone" in text

    def test_or_the_run_stops(self, store):
        model = store.serve()
        shutil.rmtree(model.uri)
        shutil.rmtree(store.serving)
        shutil.rmtree(store.folder / "artifacts" / "Pusher")
        with pytest.raises(UserError, match="--set evaluation") as error:
            store.resolve(store.train(), missing="stop")
        assert model.uri in str(error.value)

    def test_the_copy_that_the_pusher_has_will_do(self, store):
        model = store.serve()
        shutil.rmtree(model.uri)
        shutil.rmtree(store.serving)
        assert store.resolve(store.train(), missing="stop") == (model.id, model.id)
        assert damage_of(model) == ""

    def test_the_best_is_restored_too(self, store):
        good = store.serve(accuracy=0.9, evaluation_data="a")
        store.serve(accuracy=0.8, evaluation_data="a")
        shutil.rmtree(good.uri)
        assert best(store) == (good.id, good.id)


class TestAdopted:
    """What serves after `artifacts` and `metadata` were removed, as README allows."""

    @pytest.fixture
    def removed(self, tmp_path):
        old = Store(tmp_path)
        version = old.push(old.train())
        card = {"data": {"class_names": ["a", "b"]}}
        (version / "assets.extra" / "model_card.json").write_text(json.dumps(card))
        digest = model_digest(version)
        shutil.rmtree(tmp_path / "artifacts")
        return Store(tmp_path), version, digest

    def test_it_is_the_baseline_all_the_same(self, removed):
        store, _, digest = removed
        classes = digest_of_classes(["a", "b"])
        found, damaged = store.resolve(store.train("another"), class_names=classes)
        assert damaged is None
        (artifact,) = store.store.get_artifacts_by_id([found])
        assert model_digest(store.folder / artifact.uri / SERVING_MODEL) == digest
        # Once.
        assert store.resolve(store.train("a third"), class_names=classes)[0] == found

    def test_not_where_its_classes_are_others_or_not_known(self, removed):
        store, version, _ = removed
        others = digest_of_classes(["b", "a"])
        assert store.resolve(store.train("x"), class_names=others) == (None, None)
        (version / "assets.extra" / "model_card.json").unlink()
        classes = digest_of_classes(["a", "b"])
        assert store.resolve(store.train("y"), class_names=classes) == (None, None)


def test_the_order_of_classes_counts():
    assert digest_of_classes(["a", "b"]) != digest_of_classes(["b", "a"])
