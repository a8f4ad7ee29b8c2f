"""Backbones whose files are damaged: which file it is, and what to do."""

import re
import shutil

import pytest

from components.backbone.config import SHIPPED, BackboneConfig
from components.backbone.handle import check_whole, find_backbone, load_backbone
from components.backbone.saved_files import damage_of
from components.errors import UserError

PB = "saved_model.pb"
INDEX = "variables/variables.index"
DATA = "variables/variables.data-00000-of-00001"


def cut(content):
    return content[: len(content) // 2]


def zeroed(content):
    return bytes(len(content))


def empty(_):
    return b""


def flipped(where):
    def flip(content):
        changed = bytearray(content)
        changed[int(len(content) * where)] ^= 0x10
        return bytes(changed)

    return flip


@pytest.fixture
def backbone(tmp_path):
    shutil.copytree(SHIPPED["bit-mini"], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("name", [PB, INDEX, DATA])
@pytest.mark.parametrize("damage", [cut, zeroed, empty])
def test_the_damaged_file_is_named_with_the_cure(backbone, name, damage):
    file = backbone / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match=re.escape(str(file))) as refused:
        check_whole(str(backbone))
    assert "Copy or export it again" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [PB, INDEX, DATA])
def test_a_file_that_is_damaged_later_is_named_by_whoever_loads_it(backbone, name):
    file = backbone / name
    file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(UserError, match=re.escape(str(file))):
        load_backbone(str(backbone), "full")


@pytest.mark.parametrize("name", [INDEX, DATA])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.999])
def test_one_byte_of_the_variables_is_found(backbone, name, where):
    file = backbone / name
    file.write_bytes(flipped(where)(file.read_bytes()))
    assert str(file) in damage_of(str(backbone))


@pytest.mark.parametrize("where", [0.3, 0.5])
def test_a_byte_that_makes_another_graph_names_the_file(backbone, where):
    file = backbone / PB
    file.write_bytes(flipped(where)(file.read_bytes()))
    with pytest.raises(UserError, match=re.escape(str(file))):
        load_backbone(str(backbone), "full")


@pytest.mark.parametrize("name", [INDEX, DATA, "variables"])
def test_what_is_missing_is_named(backbone, name):
    gone = backbone / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(UserError, match=re.escape(str(gone).partition("-00000")[0])):
        check_whole(str(backbone))


def test_a_folder_without_a_graph_says_what_to_do(backbone):
    (backbone / PB).unlink()
    with pytest.raises(UserError, match=r"no SavedModel .* delete the folder"):
        find_backbone(BackboneConfig(handle=str(backbone)))


def test_one_of_several_data_files_is_named(backbone):
    import tensorflow as tf

    variables = backbone / "variables"
    shutil.rmtree(variables)
    values = {f"v{number}": tf.random.normal([100]) for number in range(2)}
    written = []
    for name, value in values.items():
        prefix = str(backbone / "parts" / name)
        tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=[name], shape_and_slices=[""], tensors=[value]
        )
        written.append(prefix)
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=written, destination_prefix=str(variables / "variables")
    )
    assert damage_of(str(backbone)) == ""
    second = variables / "variables.data-00001-of-00002"
    second.write_bytes(flipped(0.5)(second.read_bytes()))
    assert damage_of(str(backbone)).startswith(f"{second}: ")
    second.unlink()
    assert "data-00001-of-" in damage_of(str(backbone))


def test_a_mistake_in_our_code_is_not_the_files(backbone, monkeypatch):
    monkeypatch.setattr("components.backbone.saved_files._PREFIX", None)
    monkeypatch.setattr("components.backbone.saved_files._index", lambda path: path / PB)
    with pytest.raises(TypeError):
        damage_of(str(backbone))


def test_a_whole_one_is_whole(backbone, tiny_backbone, untrainable_backbone):
    for folder in (backbone, tiny_backbone, untrainable_backbone):
        assert damage_of(str(folder)) == ""
