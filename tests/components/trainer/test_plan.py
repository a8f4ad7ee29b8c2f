"""What the configuration leaves open, settled from the number of images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.config import TrainingConfig
from components.trainer.plan import EVALUATIONS, make_plan
from components.trainer.schedule import Schedule, keras_io_schedule


def plan(images=1_000, **training):
    return make_plan(TrainingConfig(**training), images)


def test_the_seed_as_written():
    made = plan(3_120)
    assert made.schedule == keras_io_schedule(0.003, 64)
    assert (made.steps, made.steps_per_epoch, made.epochs) == (4_000, 10, 400)
    assert (made.patience, made.mixup) == (2, 0.0)


def test_the_seed_trains_whole_epochs():
    assert (plan(batch_size=96).steps, plan(batch_size=96).epochs) == (2_660, 266)


def test_the_papers_rule_at_its_own_batch_size():
    made = plan(50_000, schedule="hyperrule", batch_size=512)
    assert made.schedule == Schedule(0.003, 10_000, (3_000, 6_000, 9_000), 500)
    assert (made.steps, made.patience, made.mixup) == (10_000, None, 0.1)


@pytest.mark.parametrize(
    ("images", "mixup"), [(19_999, 0.0), (20_000, 0.1), (499_999, 0.1), (500_000, 0.1)]
)
def test_mixup_is_the_papers_unless_it_is_given(images, mixup):
    assert plan(images, schedule="hyperrule").mixup == mixup
    assert plan(images, schedule="hyperrule", mixup=0).mixup == 0
    assert plan(images, schedule="hyperrule", mixup=0.3).mixup == 0.3
    assert plan(images).mixup == 0
    assert plan(images, mixup=0.2).mixup == 0.2


def test_explicit_steps_are_taken_as_they_are():
    made = plan(
        batch_size=128,
        base_learning_rate=0.4,
        schedule={"steps": 50, "boundaries": [20, 40], "warmup": 5},
        steps_per_epoch=5,
    )
    assert made.schedule == Schedule(pytest.approx(0.1), 50, (20, 40), 5)
    assert (made.steps, made.epochs, made.patience) == (50, 10, None)


@pytest.mark.parametrize(("given", "taken"), [("auto", None), (3, 3), (None, None)])
def test_patience_under_the_papers_rule(given, taken):
    assert plan(schedule="hyperrule", early_stopping_patience=given).patience == taken


def test_epochs_are_a_limit_and_never_a_stretch():
    told = {"schedule": {"steps": 50}, "steps_per_epoch": 20}
    assert (plan(**told).steps, plan(**told).epochs) == (50, 3)
    assert (plan(**told, epochs=2).steps, plan(**told, epochs=2).epochs) == (40, 2)
    assert plan(**told, epochs=9).steps == 50


def test_a_look_is_a_pass_but_there_are_not_too_many():
    assert plan(6_400, schedule={"steps": 1_000}, batch_size=64).steps_per_epoch == 100
    assert plan(64, schedule={"steps": 1_000}, batch_size=64).steps_per_epoch == 20
    assert plan(10**6, schedule={"steps": 30}, batch_size=64).steps_per_epoch == 30


@given(
    images=st.integers(1, 10**7),
    batch=st.integers(1, 4_096),
    schedule=st.sampled_from(["keras_io", "hyperrule", {"steps": 777, "boundaries": [5, 700]}]),
)
def test_every_plan_ends_and_looks(images, batch, schedule):
    made = plan(images, batch_size=batch, schedule=schedule)
    assert 1 <= made.steps_per_epoch <= made.steps <= made.schedule.steps
    assert (made.epochs - 1) * made.steps_per_epoch < made.steps
    if schedule != "keras_io":
        assert made.epochs <= EVALUATIONS
