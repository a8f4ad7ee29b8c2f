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
    # Two passes at a low rate: what is in the features, and not in a long fit of the head.
    frozen = (
        "backbone.mode=head_only",
        "training.base_learning_rate=0.04",
        "training.schedule={steps: 48}",
        "evaluation.min_accuracy=0.1",
    )
    shipped = run(tmp_path / "shipped-out", *frozen)
    twin = run(tmp_path / "random-out", *frozen, f"backbone.handle={tmp_path / 'random'}")
    accuracies = [ended.summary["metrics"]["accuracy"] for ended in (shipped, twin)]
    print(f"frozen: pre-trained {accuracies[0]}, random twin {accuracies[1]}")
    assert accuracies[0] > accuracies[1] + 0.1
