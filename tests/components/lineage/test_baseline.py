"""The baseline, chosen in a real metadata store and a real folder of versions."""

import json
import shutil
from pathlib import Path

import pytest

from components.digests import digest_of_classes
from components.errors import UserError
from components.lineage.artifacts import SERVING_MODEL, damage_of, warnings_of
from components.lineage.baseline import BestServedStrategy
from components.lineage.served import restore
from components.pusher.versions import model_digest
from components.storage import as_path, copy_tree
from tests.components.evaluator.store import Store


@pytest.fixture
def models(tmp_path):
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
    def test_there_is_none_before_the_first_push(self, models):
        assert models.resolve(models.train()) == (None, None)
        models.judge(models.train())
        assert models.resolve(models.train()) == (None, None)

    def test_a_model_that_was_blessed_and_never_pushed_is_no_baseline_of_itself(self, models):
        good = models.serve()
        bad = models.train()
        models.judge(bad)
        assert models.resolve(bad) == (good.id, None)
        assert models.resolve(models.train()) == (good.id, None)

    def test_the_first_model_that_was_killed_before_its_push_has_none(self, models):
        first = models.train()
        models.judge(first)
        assert models.resolve(first) == (None, None)

    def test_a_push_that_ml_metadata_never_heard_of_serves(self, models):
        first = models.serve()
        second = models.train()
        models.judge(second)
        models.push(second, heard=False)
        assert models.resolve(models.train()) == (second.id, None)
        assert models.resolve(second) == (first.id, None)

    def test_the_model_that_serves_is_compared_with_the_one_before_it(self, models):
        first, second = models.serve(), models.serve()
        assert models.resolve(second) == (first.id, None)
        assert models.resolve(first) == (second.id, None)
        models.push(first)
        assert models.resolve(first) == (second.id, None)
        assert models.resolve(second) == (first.id, None)

    def test_a_candidate_of_the_same_bytes_is_the_model_that_serves(self, models):
        first = models.serve()
        again = models.train("the same")
        models.judge(again)
        models.push(again)
        twin = models.train("the same")
        assert models.resolve(twin) == (first.id, None)

    def test_emptied_serving_leaves_what_the_lineage_knows(self, models):
        first, second = models.serve(), models.serve()
        shutil.rmtree(models.serving)
        assert models.resolve(models.train()) == (second.id, None)
        assert models.resolve(second) == (first.id, None)

    def test_a_version_that_was_taken_out_serves_no_longer(self, models):
        first = models.serve()
        second = models.train()
        models.judge(second)
        shutil.rmtree(models.push(second))
        assert models.resolve(models.train()) == (first.id, None)
        assert models.resolve(second) == (first.id, None)

    def test_a_model_of_other_classes_cannot_be_compared(self, models):
        first = models.serve(accuracy=0.5, evaluation_data="a")
        models.serve(class_names="xyz", accuracy=0.9, evaluation_data="a")
        assert models.resolve(models.train()) == (first.id, None)
        assert best(models, models.train()) == (first.id, None)

    def test_a_version_that_was_damaged_since_is_what_was_pushed_as_it(self, models):
        models.serve()
        second = models.train()
        models.judge(second)
        (models.push(second) / "saved_model.pb").write_text("cut")
        assert models.resolve(models.train()) == (second.id, None)


def best(models, candidate=None, data="a"):
    given = {"evaluation_data": data, "missing": "floor"}
    return models.resolve(candidate, BestServedStrategy, **given)


class TestBest:
    def test_it_is_the_best_that_ever_served_on_the_same_data(self, models):
        good = models.serve(accuracy=0.9, evaluation_data="a")
        models.serve(accuracy=0.8, evaluation_data="a")
        models.serve(accuracy=0.99, evaluation_data="b")
        never_pushed = models.train()
        models.judge(never_pushed, accuracy=0.95, evaluation_data="a")
        assert best(models, never_pushed) == (good.id, None)
        assert best(models, data="c") == (None, None)

    def test_it_is_never_the_candidate(self, models):
        good = models.serve(accuracy=0.8, evaluation_data="a")
        better = models.serve(accuracy=0.9, evaluation_data="a")
        assert best(models, better) == (good.id, None)
        assert best(models, good) == (better.id, None)

    def test_one_that_was_taken_out_of_serving_did_serve(self, models):
        models.serve(accuracy=0.8, evaluation_data="a")
        better = models.train()
        models.judge(better, accuracy=0.9, evaluation_data="a")
        shutil.rmtree(models.push(better))
        assert best(models, models.train()) == (better.id, None)

    def test_of_equally_good_models_it_is_the_newer(self, models):
        models.serve(accuracy=0.9, evaluation_data="a")
        newer = models.serve(accuracy=0.9, evaluation_data="a")
        assert best(models) == (newer.id, None)


class TestDamaged:
    @pytest.mark.parametrize("kind", DAMAGES)
    def test_the_copy_that_serves_is_judged_in_its_place(self, models, kind):
        model = models.serve()
        digest = model_digest(saved_model(model))
        damage_by_name(saved_model(model), kind)
        assert damage_of(model)
        assert models.resolve(models.train()) == (model.id, model.id)
        assert damage_of(model, every_digest=True) == ""
        assert model_digest(saved_model(model)) == digest
        (text,) = warnings_of({"BaselineModel.damaged": model})
        assert model.uri in text
        assert str(models.serving) in text
        # It is whole again.
        assert models.resolve(models.train()) == (model.id, None)

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_where_no_copy_is_whole_it_is_named_and_there_is_no_baseline(self, models, kind):
        model = models.serve()
        damage_by_name(saved_model(model), kind)
        for folder in (*models.serving.iterdir(), *models.folder.glob("artifacts/Pusher/*/*")):
            (folder / "saved_model.pb").write_text("cut")
        assert models.resolve(models.train()) == (None, model.id)
        (text,) = warnings_of({"BaselineModel.damaged": model})
        assert model.uri in text
        assert "only by the floors" in text

    def test_or_the_run_stops(self, models):
        model = models.serve()
        shutil.rmtree(model.uri)
        shutil.rmtree(models.serving)
        shutil.rmtree(models.folder / "artifacts" / "Pusher")
        with pytest.raises(UserError, match="--set evaluation") as error:
            models.resolve(models.train(), missing="stop")
        assert model.uri in str(error.value)

    def test_the_copy_that_the_pusher_has_will_do(self, models):
        model = models.serve()
        shutil.rmtree(model.uri)
        shutil.rmtree(models.serving)
        assert models.resolve(models.train(), missing="stop") == (model.id, model.id)
        assert damage_of(model) == ""

    def test_the_best_is_restored_too(self, models):
        good = models.serve(accuracy=0.9, evaluation_data="a")
        models.serve(accuracy=0.8, evaluation_data="a")
        shutil.rmtree(good.uri)
        assert best(models) == (good.id, good.id)


def test_a_copy_is_put_back_in_an_object_store_too(tmp_path, store):
    model = Store(tmp_path).serve()
    copy, folder = as_path(f"{store}/serving/1"), as_path(f"{store}/artifacts/Trainer/model/1")
    copy_tree(tmp_path / "serving" / "101", copy)
    (folder / SERVING_MODEL).mkdir(parents=True)
    (folder / SERVING_MODEL / "saved_model.pb").write_text("cut")
    model.uri = str(folder)
    assert "saved_model.pb" in damage_of(model)
    assert restore(model, as_path(f"{store}/serving"), []) == copy
    assert damage_of(model, every_digest=True) == ""


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
        models, _, digest = removed
        classes = digest_of_classes(["a", "b"])
        found, damaged = models.resolve(models.train("another"), class_names=classes)
        assert damaged is None
        (artifact,) = models.store.get_artifacts_by_id([found])
        assert model_digest(models.folder / artifact.uri / SERVING_MODEL) == digest
        # Once.
        assert models.resolve(models.train("a third"), class_names=classes)[0] == found

    def test_not_where_its_classes_are_others_or_not_known(self, removed):
        models, version, _ = removed
        others = digest_of_classes(["b", "a"])
        assert models.resolve(models.train("x"), class_names=others) == (None, None)
        (version / "assets.extra" / "model_card.json").unlink()
        classes = digest_of_classes(["a", "b"])
        assert models.resolve(models.train("y"), class_names=classes) == (None, None)


def test_the_order_of_classes_counts():
    assert digest_of_classes(["a", "b"]) != digest_of_classes(["b", "a"])
