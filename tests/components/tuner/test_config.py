"""The `search` section: what it takes, and that a mistake is told by its key."""

import math

import pytest

from components.errors import UserError
from components.transform.config import ImageSizes
from components.tuner.config import SearchConfig
from pipeline.config import Config, dump_config, load_config

RATES = "search.base_learning_rate=[0.003, 0.03]"


def load(*overrides):
    return load_config("digits", overrides=overrides)


def test_without_the_section_there_is_no_search():
    assert load().search is None


def test_a_range_a_list_of_schedules_and_both_modes():
    search = load(
        "search.base_learning_rate={low: 0.001, high: 0.1}",
        "search.schedule=[hyperrule, {steps: 60, boundaries: [40]}]",
        "search.mode=[head_only, full]",
    ).search
    assert list(search.space) == ["base_learning_rate", "schedule", "mode"]
    explicit = {"steps": 60, "boundaries": [40], "warmup": 0, "decay": "steps"}
    assert search.space["schedule"] == ("hyperrule", explicit)
    assert (search.combinations, search.most_trials) == (math.inf, 10)


def test_lists_are_tried_no_more_often_than_they_have_combinations():
    search = load(RATES, "search.mode=[head_only, full]").search
    assert (search.combinations, search.most_trials) == (4, 4)


RECIPES = (
    "search.batch_size=[16, 64]",
    "search.mixup=[0.0, 0.1]",
    "search.crop=[24, null]",
    "search.inception_crop=[null, 0.05, 0.5]",
    "search.randaugment=[null, {layers: 2, magnitude: 9}]",
    "search.random_erasing=[0.0, 0.25]",
    "search.label_smoothing=[0.0, 0.1]",
    "search.clip_norm=[null, 1.0]",
)


def test_every_part_of_a_recipe_is_searched_and_survives_its_dump():
    config = load(*RECIPES)
    assert config.search.combinations == 2**7 * 3
    assert config.search.space["randaugment"] == (None, {"layers": 2, "magnitude": 9.0})
    assert config.search.space["crop"] == (24, None)
    assert Config.model_validate(dump_config(config)) == config


def test_a_crop_that_no_image_has_is_told_by_its_key():
    sizes = ImageSizes(resize=32, crop=None, evaluate=32, flip=False)
    load("search.crop=[24, 32, null]").search.check_sizes(sizes)
    with pytest.raises(ValueError, match=r"^search\.crop\.1 40 is larger than .* 32; "):
        load("search.crop=[24, 40]").search.check_sizes(sizes)


def test_it_survives_its_dump():
    config = load(RATES, "search.schedule=[keras_io, {steps: 60}]", "search.timeout_s=60")
    assert Config.model_validate(dump_config(config)) == config


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["search.trials=4"], "search: there is nothing to choose"),
        (["search.mode=[full]"], "search: there is nothing to choose"),
        ([RATES, "search.trials=1"], "search.trials: "),
        ([RATES, "search.holdout=0"], "search.holdout: "),
        ([RATES, "search.holdout=1"], "search.holdout: "),
        ([RATES, "search.epochs=0"], "search.epochs: "),
        ([RATES, "search.timeout_s=0"], "search.timeout_s: "),
        ([RATES, "search.mode=[]"], "search.mode: "),
        ([RATES, "search.mode=[head_only, half]"], "search.mode.1: "),
        ([RATES, "search.schedule=[sed]"], "search.schedule.0: "),
        ([RATES, "search.schedule=[keras_io, keras_io]"], "search.schedule: it has a value twice"),
        (
            [RATES, "search.schedule=[{steps: 5, boundaries: [9]}]"],
            "boundaries must be below steps 5",
        ),
        (["search.base_learning_rate=[0.1, 0.1]"], "search.base_learning_rate: it has a value tw"),
        (["search.base_learning_rate=[0.1, 0]"], "search.base_learning_rate.1: "),
        (["search.base_learning_rate=0.1"], "search.base_learning_rate: input should be a list of"),
        (["search.base_learning_rate={low: 0.1}"], "search.base_learning_rate.high: is required"),
        (["search.base_learning_rate={low: 1, high: 0.1}"], "low 1.0 is not below high 0.1"),
        ([RATES, "search.prunning=false"], "search.prunning: no such key; did you mean pruning?"),
        (
            ["training.steps_per_epoch=50", "search.schedule=[hyperrule, {steps: 20}]"],
            "search.schedule.1 does not go with training: schedule.steps 20 is less than one epoch",
        ),
        (
            ["training.batch_split=4", "search.batch_size=[64, 30]"],
            "search.batch_size.1 does not go with training: batch_size 30 is not a multiple",
        ),
        (
            [
                "training.steps_per_epoch=100",
                "search.batch_size=[64, 4096]",
                "search.schedule=[keras_io, {steps: 300}]",
            ],
            "search.schedule.0 with search.batch_size.1 does not go with training: the keras_io",
        ),
        (["search.inception_crop=[0.0, 0.5]"], "search.inception_crop.0: "),
        (["search.randaugment=[null, {magnitude: 11}]"], "search.randaugment.1.magnitude: "),
        (["search.label_smoothing=[0.1, 1.0]"], "search.label_smoothing.1: "),
        (["search.clip_norm=[null, null]"], "search.clip_norm: it has a value twice"),
    ],
)
def test_a_mistake_is_told_by_its_key(overrides, told):
    with pytest.raises(UserError) as error:
        load(*overrides)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_list_with_one_value_is_that_value():
    search = SearchConfig(base_learning_rate=[0.1, 0.2], mode=["full"])
    assert search.space["mode"] == ("full",)
    assert search.combinations == 2
