"""The default preset's figures over seeds and draws, and its pre-trained features' worth."""

import pytest

from benchmarks import jobs
from components.trainer.train import train

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def graph(tmp_path_factory, tfds_dir):
    sizes = jobs.sizes_of(jobs.preset("digits", tfds_dir))
    return jobs.write_graph(tmp_path_factory.mktemp("graph"), sizes)


@pytest.fixture
def restored(tfds_dir, graph, tmp_path):
    """Copies the preset's examples and trains on them; returns the row of the restored epoch."""

    def run(name, *overrides):
        config = jobs.preset("digits", tfds_dir, overrides)
        stored = jobs.copy_examples(config.data, tmp_path / f"{name}-examples")
        rows = train(jobs.make_job(config, stored, graph, tmp_path / name))
        return next(row for row in rows if row["restored"])

    return run


def test_digits_reaches_its_figures_whatever_the_seed(restored):
    rows = [restored(str(seed), f"training.seed={seed}") for seed in (42, 1, 2, 3, 4)]
    accuracies = [row["val_accuracy"] for row in rows]
    assert min(accuracies) >= 0.97, accuracies
    assert sum(accuracies) / len(accuracies) >= 0.98, accuracies
    assert min(row["epoch"] for row in rows) > 3


def test_a_frozen_pre_trained_backbone_beats_its_random_twin(restored, tmp_path):
    from components.backbone.architecture import BIT_MINI
    from components.backbone.bit import BiT, export_hub_module

    export_hub_module(BiT(BIT_MINI, seed=42), str(tmp_path / "random"))
    # One scan of each class: what is in the features, and not in a long fit of the head.
    frozen = (
        "backbone.mode=head_only",
        "data.examples_per_class=1",
        "training.batch_size=10",
        "training.base_learning_rate=1.28",
        "training.early_stopping_patience=null",
    )
    means = {}
    for name, handle in (("pre-trained", "bit-mini"), ("twin", tmp_path / "random")):
        accuracies = [
            restored(
                f"{name}-{draw}", *frozen, f"backbone.handle={handle}", f"data.examples_seed={draw}"
            )["val_accuracy"]
            for draw in range(5)
        ]
        means[name] = sum(accuracies) / len(accuracies)
    assert means["pre-trained"] > means["twin"] + 0.1, means
