"""What a training must not do silently, by whole runs: export NaN, or restore half a model."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.e2e.conftest import QUICK
from tests.modules import export_batch_norms


def history(ended):
    (file,) = (ended.output / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
    return json.loads(file.read_text())


def examples(ended, split):
    """Encoded images and labels as ExampleGen stored them."""
    pattern = f"artifacts/ImageExampleGen/examples/*/Split-{split}/*"
    files = sorted(str(path) for path in ended.output.glob(pattern))
    images, labels = [], []
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        images.append(features["image"].bytes_list.value[0])
        labels.append(features["label"].int64_list.value[0])
    return tf.constant(images), np.array(labels)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_run_before_anything_is_exported(run, tmp_path):
    told = (*QUICK, "training.base_learning_rate=1e38", "training.checkpoint_seconds=0")
    for _ in range(2):
        ended = run(tmp_path / "out", *told)
        assert ended.exit_code == 2, ended.out + ended.err
        assert ended.states["Trainer"] == "failed"
        assert ended.states["Evaluator"] == ended.states["Pusher"] == "skipped"
        (reason,) = ended.summary["reasons"]
        assert "of 40 (epoch " in reason
        assert "which is not finite; no model is exported. Lower training.base_learning_" in reason
        assert reason in ended.err + ended.out
        assert ended.served == []
        assert ended.summary["pushed"] is None
        assert not list((ended.output / "artifacts").glob("Trainer/model/*/Format-Serving/*"))


@pytest.mark.slow
def test_a_backbone_with_batch_norms_is_pushed_as_its_best_epoch_was_judged(run, tmp_path):
    backbone = export_batch_norms(tmp_path / "backbone", l2=1e-3)
    ended = run(
        tmp_path / "out",
        *QUICK,
        f"backbone={{handle: {backbone}, mode: full}}",
        "training.schedule={steps: 60}",
        "training.steps_per_epoch=3",
        "training.base_learning_rate=4",
        "training.early_stopping_patience=6",
        "evaluation.min_accuracy=0.01",
    )
    assert ended.exit_code == 0, ended.out + ended.err
    rows = history(ended)
    (best,) = [row for row in rows if row["restored"]]
    assert best["epoch"] < len(rows)
    images, labels = examples(ended, "eval")
    served = tf.saved_model.load(ended.summary["pushed"])
    answer = served.signatures["predict_image"](images)["probabilities"].numpy()
    accuracy = np.mean(np.argmax(answer, axis=1) == labels)
    loss = -np.mean(np.log(answer[np.arange(len(labels)), labels]))
    assert accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)
    kernels = [each for each in served.model_variables if each.shape.rank == 4]
    penalty = sum(1e-3 * np.sum(each.numpy() ** 2) for each in kernels)
    assert loss + penalty == pytest.approx(best["val_loss"], rel=1e-4)
    # The Evaluator's loss is the cross-entropy alone.
    assert ended.summary["metrics"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert ended.summary["metrics"]["loss"] == pytest.approx(loss, rel=1e-3)
    assert f"restored: epoch {best['epoch']}" in (ended.output / "report/index.html").read_text()
