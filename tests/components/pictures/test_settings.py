"""What the number of images settles."""

import pytest

from components.pictures.settings import PicturesSettings
from components.trainer.config import TrainingConfig
from components.trainer.hyperrule import mixup_alpha
from components.trainer.plan import make_plan, mixup_rule
from components.transform.config import ImageSizes


@pytest.mark.parametrize("told", [{}, {"schedule": "hyperrule"}, {"mixup": 0.3}])
@pytest.mark.parametrize("images", [100, 20_000])
def test_images_are_mixed_as_in_training(told, images):
    training = TrainingConfig(**told)
    settings = PicturesSettings(
        class_names=("a", "b"),
        sizes=ImageSizes(resize=8, crop=None, evaluate=8, flip=False),
        batch_size=2,
        shuffle_buffer=2,
        seed=1,
        mixup=mixup_rule(training),
    )
    told = PicturesSettings.model_validate_json(settings.model_dump_json())
    assert mixup_alpha(told.mixup, images) == make_plan(training, images).mixup
