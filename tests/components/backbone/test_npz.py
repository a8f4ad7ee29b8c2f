"""The published weights: a file of the names, shapes and size of BiT-M-R50x1, and broken ones."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from components.backbone import npz
from components.backbone.architecture import PUBLISHED
from components.backbone.config import BackboneConfig
from components.backbone.handle import find_backbone, load_backbone
from components.digests import digest_of_folder
from components.errors import UserError
from pipeline.cli.command_line import perform
from pipeline.cli.weights import command
from tests.numpy_bit import TWO_STAGES, NumpyBiT


def weights_of(architecture, seed=0):
    """Random, but that gammas are near 1 and nothing is symmetric."""
    random = np.random.default_rng(seed)
    return {
        name: (random.normal(size=shape) * 0.3 + name.endswith("gamma")).astype(np.float32)
        for name, shape in architecture.weight_shapes().items()
    }


def published(weights, classes=3, prefix="resnet/"):
    """As big_transfer's files have them (bit_pytorch/models.py, load_from)."""
    size = weights["group_norm/gamma"].shape[0]
    head = {"head/conv2d/kernel": (1, 1, size, classes), "head/conv2d/bias": (classes,)}
    heads = {name: np.zeros(shape, np.float32) for name, shape in head.items()}
    return {prefix + name: value for name, value in (weights | heads).items()}


@pytest.fixture
def save(tmp_path):
    def save(arrays, name="weights.npz"):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return save


def test_bit_m_r50x1_is_converted_whole(tmp_path, save, capsys):
    """The real names, shapes and 21,843 classes; only the values are not the published ones."""
    weights = weights_of(PUBLISHED["R50x1"])
    file = save(published(weights, classes=21_843), "BiT-M-R50x1.npz")
    assert file.stat().st_size > 270e6
    target = tmp_path / "made" / "r50x1"
    assert perform(command, [str(file), str(target)]) == 0
    printed = capsys.readouterr().out
    assert "R50x1: 23,500,352 weights, 2048 pre-logits" in printed

    digest = digest_of_folder(target)
    lines = f"  sha256: {digest}\n  trainable_parameters: 23500352\n"
    assert printed.endswith(lines)
    assert f"  handle: {target}\n" in printed
    config = BackboneConfig(handle=str(target), sha256=digest, trainable_parameters=23_500_352)
    layer = load_backbone(find_backbone(config).path, "full", trainable_parameters=23_500_352)
    assert layer.architecture == PUBLISHED["R50x1"]
    images = np.random.default_rng(1).random((2, 33, 40, 3))
    ours = layer(tf.constant(images, tf.float32)).numpy()
    # Files are for [-1, 1] (NumpyBiT rescales too), and the head is gone.
    reference = NumpyBiT(weights, groups=32)(images)
    assert ours.shape == reference.shape == (2, 2048)
    assert np.abs(ours - reference).max() < 1e-4 * np.abs(reference).max()
    stored = {variable.name.removesuffix(":0"): variable for variable in layer.variables}
    assert stored.keys() == weights.keys()
    assert all(np.array_equal(stored[name], value) for name, value in weights.items())


@pytest.mark.parametrize("prefix", ["resnet/", ""])
def test_the_architecture_is_read_off_the_shapes(save, prefix):
    weights = weights_of(TWO_STAGES)
    architecture, read = npz.read_weights(save(published(weights, prefix=prefix)), groups=2)
    assert architecture == TWO_STAGES
    assert list(read) == list(TWO_STAGES.weight_shapes())
    assert all(np.array_equal(read[name], value) for name, value in weights.items())


def test_a_file_without_a_head_and_with_numbered_names_is_read(save):
    """Some published files number a convolution (big_vision's models/bit.py works around it)."""
    weights = weights_of(TWO_STAGES)
    renamed = {
        name.replace("b/standardized_conv2d/", "b/standardized_conv2d_7/"): value
        for name, value in weights.items()
    }
    architecture, read = npz.read_weights(save(renamed), groups=2)
    name = "block2/unit01/b/standardized_conv2d/kernel"
    assert architecture == TWO_STAGES
    assert np.array_equal(read[name], weights[name])


def without(name):
    return lambda arrays: arrays.pop(f"resnet/{name}")


def with_value(name, value):
    return lambda arrays: arrays.update({f"resnet/{name}": value})


NAN = np.array([1, np.nan, 1, 1], np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("block1/unit02/b/group_norm/beta"), "block1/unit02/b/group_norm/beta is missing"),
        (without("root_block/standardized_conv2d/kernel"), "0 weights are named root_block/"),
        (without("block1/unit01/b/standardized_conv2d/kernel"), "there is no block1/unit01/b/"),
        (without("head/conv2d/bias"), "head/conv2d/bias is missing"),
        (with_value("logits/bias", np.zeros(3, np.float32)), "logits/bias is unknown"),
        (with_value("group_norm/gamma", np.ones(7, np.float32)), r"gamma is \[7\] instead of \[32"),
        (
            with_value("head/conv2d/bias", np.ones(7, np.float32)),
            r"head/conv2d/bias \[7\], above 32",
        ),
        (
            with_value("block1/unit01/b/group_norm/gamma", NAN),
            "unit01/b/group_norm/gamma holds NaN",
        ),
        (with_value("group_norm/beta", np.zeros(32)), "beta is float64 instead of float32"),
        (with_value("group_norm_2/beta", np.zeros(32)), "are the same weight"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_by_name(tmp_path, save, spoil, message):
    arrays = published(weights_of(TWO_STAGES))
    spoil(arrays)
    with pytest.raises(UserError, match=message):
        npz.convert(save(arrays), tmp_path / "made", groups=2)
    assert not (tmp_path / "made").exists()


def test_groups_that_do_not_divide_are_refused(save):
    with pytest.raises(UserError, match=r"--groups 32 does not divide.*divide by 1, 2, 4"):
        npz.read_weights(save(published(weights_of(TWO_STAGES))))


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=r"is no \.npz file"):
        npz.convert(tmp_path / "file", tmp_path / "made")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"is no \.npz file"):
        npz.convert(tmp_path / "one.npy", tmp_path / "made")
    with pytest.raises(UserError, match="there is no such file"):
        npz.convert(tmp_path / "nowhere.npz", tmp_path / "made")


def test_the_files_digest_is_checked(tmp_path, save):
    file = save(published(weights_of(TWO_STAGES)))
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"has {right}: it is a different file"):
        npz.convert(file, tmp_path / "made", sha256="0" * 64, groups=2)
    assert npz.convert(file, tmp_path / "made", sha256=right.upper(), groups=2) == TWO_STAGES


def test_a_target_that_is_there_is_left_alone(tmp_path, save, capsys):
    file = save(published(weights_of(TWO_STAGES)))
    (tmp_path / "made").mkdir()
    assert perform(command, [str(file), str(tmp_path / "made"), "--groups", "2"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert list((tmp_path / "made").iterdir()) == []


def test_nothing_is_left_where_writing_fails(tmp_path, save, monkeypatch):
    def fail(_, directory):
        tf.io.gfile.makedirs(f"{directory}/variables")
        raise OSError("no space left")

    monkeypatch.setattr("components.backbone.bit.export_hub_module", fail)
    with pytest.raises(OSError, match="no space"):
        npz.convert(save(published(weights_of(TWO_STAGES))), tmp_path / "in" / "made", groups=2)
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("compressed", [True, False])
def test_a_damaged_file_is_one_sentence(tmp_path, compressed):
    """Whatever NumPy, zipfile and zlib make of it: a byte in a hundred places, and cut ends."""
    path = tmp_path / "weights.npz"
    (np.savez_compressed if compressed else np.savez)(path, a=np.arange(99.0), b=np.ones((3, 3)))
    whole = path.read_bytes()
    places = range(0, len(whole), max(1, len(whole) // 100))
    damaged = [whole[:at] for at in places]
    for at in places:
        for bits in (0x01, 0x80, 0xFF):
            changed = bytearray(whole)
            changed[at] ^= bits
            damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        # No BiT either way: what is read whole is refused for its names.
        with pytest.raises(UserError, match=r"weights\.npz"):
            npz.read_weights(path)


def test_a_mistake_in_our_code_is_not_the_files(save, monkeypatch):
    file = save(published(weights_of(TWO_STAGES)))
    monkeypatch.setattr(npz, "_arrays_in", lambda: None)
    with pytest.raises(TypeError, match="positional"):
        npz.read_weights(file)
