"""Shapes and counts of the BiT architecture, with nothing allocated."""

import sys

import pytest

from components.backbone.architecture import (
    BIT_MINI,
    PUBLISHED,
    Architecture,
    canonical_names,
    infer,
)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("R50x1", 25.55),
        ("R50x3", 217.32),
        ("R101x1", 44.54),
        ("R101x3", 387.93),
        ("R152x2", 236.34),
        ("R152x4", 936.53),
    ],
)
def test_parameters_are_as_many_as_published(name, millions):
    """With the 1,000 classes of ILSVRC-2012 (timm, results-imagenet.csv, resnetv2_*_bit)."""
    assert round(PUBLISHED[name].parameter_count(1000) / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "size"), [("R50x1", 2048), ("R101x3", 6144), ("R152x4", 8192)])
def test_pre_logits_are_as_long_as_published(name, size):
    assert PUBLISHED[name].embedding_size == size


def test_names_and_shapes_of_r50x1_are_those_of_the_npz_files():
    shapes = PUBLISHED["R50x1"].weight_shapes()
    assert shapes["root_block/standardized_conv2d/kernel"] == (7, 7, 3, 64)
    assert shapes["block1/unit01/a/proj/standardized_conv2d/kernel"] == (1, 1, 64, 256)
    assert shapes["block1/unit03/c/standardized_conv2d/kernel"] == (1, 1, 64, 256)
    assert shapes["block2/unit01/b/standardized_conv2d/kernel"] == (3, 3, 128, 128)
    assert shapes["block4/unit03/a/group_norm/gamma"] == (2048,)
    assert shapes["group_norm/beta"] == (2048,)
    assert "block1/unit02/a/proj/standardized_conv2d/kernel" not in shapes
    assert "block4/unit04/a/group_norm/gamma" not in shapes


def test_only_the_first_unit_of_a_later_stage_has_a_stride():
    strides = [unit.stride for unit in PUBLISHED["R50x1"].units()]
    assert strides == [1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1]


def test_a_head_adds_its_kernel_and_bias():
    tiny = Architecture((1,), (4,), 4, 2)
    assert tiny.parameter_count(10) - tiny.parameter_count() == 16 * 10 + 10


def test_bit_mini_stays_under_three_megabytes():
    assert BIT_MINI.parameter_count() * 4 < 3e6


@pytest.mark.parametrize("architecture", [BIT_MINI, *PUBLISHED.values()])
def test_an_architecture_is_read_off_its_shapes(architecture):
    assert infer(architecture.weight_shapes(), architecture.groups) == architecture


@pytest.mark.parametrize(
    ("architecture", "groups"),
    [
        (PUBLISHED["R50x1"], [32, 64, 16, 8, 4, 2, 1]),
        (BIT_MINI, [24, 12, 8, 6, 4, 3, 2, 1]),
    ],
)
def test_the_papers_group_count_is_tried_first(architecture, groups):
    assert architecture.possible_groups() == groups


def shapes(**changes):
    kept = Architecture((2, 1), (4, 8), 4, 2).weight_shapes() | changes
    return {name: shape for name, shape in kept.items() if shape}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group_norm/beta": None}, "group_norm/beta is missing"),
        ({"block3/unit02/a/group_norm/beta": (9,)}, "block3/unit02/a/group_norm/beta is unknown"),
        ({"block2/unit01/c/group_norm/beta": (9,)}, r"beta is \[9\] instead of \[8\]"),
        # Deeper than it is: everything of the next unit is missing, and told in one line.
        ({"block2/unit02/b/standardized_conv2d/kernel": (3, 3, 8, 8)}, "missing.* and 5 more"),
    ],
)
def test_shapes_of_no_architecture_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        infer(shapes(**changes))


def test_prefixes_and_numbers_are_taken_off_names():
    stored = [
        "resnet/root_block/standardized_conv2d/kernel:0",
        "resnet/block1/unit01/a/standardized_conv2d_12/kernel:0",
        "resnet/block1/unit01/c/group_norm_1/beta:0",
    ]
    assert canonical_names(stored) == {
        "root_block/standardized_conv2d/kernel": stored[0],
        "block1/unit01/a/standardized_conv2d/kernel": stored[1],
        "block1/unit01/c/group_norm/beta": stored[2],
    }


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (["conv/kernel"], "0 weights are named"),
        ([f"{name}/root_block/standardized_conv2d/kernel" for name in "ab"], "2 weights are"),
        (["not_a_root_block/standardized_conv2d/kernel"], "0 weights are named"),
        (
            ["root_block/standardized_conv2d/kernel", "group_norm/beta", "group_norm_1/beta"],
            "group_norm/beta and group_norm_1/beta are the same weight",
        ),
    ],
)
def test_names_of_no_bit_are_refused(stored, message):
    with pytest.raises(ValueError, match=message):
        canonical_names(stored)


def test_counting_loads_no_tensorflow(tmp_path):
    import subprocess

    code = (
        "import sys; from components.backbone.architecture import PUBLISHED;"
        "PUBLISHED['R152x4'].parameter_count(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
