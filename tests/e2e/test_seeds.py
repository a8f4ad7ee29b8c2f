"""The default preset over five seeds."""

import json

import pytest


@pytest.mark.slow
def test_digits_reaches_its_figures_whatever_the_seed(run, tmp_path):
    accuracies, restored = [], []
    for seed in (42, 1, 2, 3, 4):
        output = tmp_path / str(seed)
        ended = run(output, f"training.seed={seed}")
        assert ended.exit_code == 0, ended.out
        accuracies.append(ended.summary["metrics"]["accuracy"])
        (history,) = (output / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
        rows = json.loads(history.read_text())
        restored.append(next(row["epoch"] for row in rows if row["restored"]))
    print(f"accuracies {accuracies}, restored epochs {restored}")
    assert min(accuracies) >= 0.97
    assert sum(accuracies) / len(accuracies) >= 0.98
    assert min(restored) > 3


@pytest.mark.slow
def test_a_frozen_pre_trained_backbone_beats_its_random_twin(run, tmp_path):
    from components.trainer.architecture import BIT_MINI
    from components.trainer.bit import BiT, export_hub_module

    export_hub_module(BiT(BIT_MINI, seed=42), str(tmp_path / "random"))
    # One scan of each class: what is in the features, and not in a long fit of the head.
    frozen = (
        "backbone.mode=head_only",
        "data.examples_per_class=1",
        "training.batch_size=10",
        "training.base_learning_rate=1.28",
        "training.early_stopping_patience=null",
        "evaluation.min_accuracy=0.1",
        "evaluation.intervals=none",
    )
    means = []
    for handle in ("bit-mini", tmp_path / "random"):
        accuracies = []
        for draw in range(5):
            told = (*frozen, f"backbone.handle={handle}", f"data.examples_seed={draw}")
            ended = run(tmp_path / f"{draw}-{len(means)}", *told)
            assert ended.exit_code == 0, ended.out + ended.err
            accuracies.append(ended.summary["metrics"]["accuracy"])
        print(f"frozen, one scan a class, {handle}: {accuracies}")
        means.append(sum(accuracies) / len(accuracies))
    assert means[0] > means[1] + 0.1
