"""A source on the command line, `bit-tfx init` and `bit-tfx check`, on drawn photographs."""

import os
import subprocess
import sys

import pytest

from components.errors import UserError
from components.process import ROOT
from pipeline.config import dump_config, load_config
from pipeline.inputs import own_source
from pipeline.inputs.fit import BIT_MINI, R50X1, fit, name_of
from pipeline.inputs.own_source import OwnSource, settle
from pipeline.inputs.photos import Photos, look
from tests.command import bit_tfx
from tests.folders import CLASSES, photo, write_photos
from tests.pipeline.test_layers import FRAMEWORKS


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / "My Photos"
    write_photos(folder, 240)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def never(_):
    return False


def test_a_folder_is_counted_and_its_headers_are_read(photos):
    found = look(str(photos))
    assert found.class_names == CLASSES
    assert (found.count, set(found.splits)) == (240, {"train"})
    assert set(found.formats) == {"jpeg", "png", "gif", "bmp"}
    assert all(40 <= side <= 64 for side in found.size)


def made(labels, size=(50, 50), formats=None, split="train"):
    names = tuple(f"class {number}" for number in range(1 + max(labels)))
    return Photos("/data/x", names, {split: tuple(labels)}, formats or {"jpeg": 1}, size)


@pytest.mark.parametrize("count", [8, 20, 45, 100, 239, 1000, 30_000])
def test_every_class_trains_and_judges_and_the_values_are_a_configuration(count):
    labels = [number * 7 % 5 for number in range(count)]
    fitted = fit(made(labels), never)
    assert fitted.train + fitted.judged == count
    at = int(fitted.values["data"].get("splits", {"train": "[:85%]"})["train"][-4:-2])
    assert fitted.train == round(count * at / 100)
    if count >= 20:
        assert set(labels[: fitted.train]) == set(labels[fitted.train :]) == set(range(5))
    training = fitted.values["training"]
    assert training["batch_size"] <= max(4, fitted.train / 4)
    config = load_config_of(fitted.values)
    assert config.evaluation.min_accuracy > max(map(labels.count, range(5))) / count


def load_config_of(values):
    from pipeline.config import override_config

    return override_config(values, [])


def test_the_floor_is_above_a_model_that_always_names_the_largest_class():
    fitted = fit(made([0] * 90 + [1] * 10), never)
    assert fitted.chance == pytest.approx(0.9)
    assert fitted.values["evaluation"]["min_accuracy"] == pytest.approx(0.925, abs=0.006)


@pytest.mark.parametrize(
    ("size", "sides"), [((32, 32), {"resize": 160, "crop": 128}), ((480, 640), None), (None, None)]
)
def test_a_hub_module_in_reach_is_taken_at_the_papers_sizes(size, sides):
    asked = []
    fitted = fit(made([0, 1] * 500, size), lambda url: asked.append(url) or True)
    assert asked == [R50X1]
    assert fitted.values["backbone"] == {"handle": R50X1, "mode": "head_only"}
    assert fitted.values.get("preprocessing") == sides


def test_the_hub_cache_counts_as_in_reach(tmp_path, photos):
    from components.backbone.hub import _cache

    assert fit(look(str(photos))).values["backbone"]["handle"] == BIT_MINI
    module = _cache(R50X1)
    module.mkdir(parents=True)
    (module / "saved_model.pb").write_bytes(b"")
    assert fit(look(str(photos))).values["backbone"]["handle"] == R50X1


def test_formats_that_tensorflow_does_not_decode_are_converted():
    values = fit(made([0, 1] * 50, formats={"jpeg": 60, "webp": 3, "tiff": 1, "": 1}), never).values
    assert values["data"]["screen"] == {"convert": ["tiff", "webp"]}


def test_own_splits_of_a_folder_stay(tmp_path):
    for split, count in (("train", 60), ("val", 20)):
        write_photos(tmp_path / split, count, seed=count)
    fitted = fit(look(str(tmp_path)), never)
    assert (fitted.train, fitted.judged) == (60, 20)
    assert "splits" not in fitted.values["data"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a/My Photos/", "my-photos"),
        ("cifar10", "cifar10"),
        ("/花", "images"),
        ("x" * 90, "x" * 63),
    ],
)
def test_a_pipelines_name_follows_the_source(source, name):
    assert name_of(source) == name


def test_a_folder_replaces_a_presets_source_and_what_belongs_to_it(photos):
    config, says = settle("flowers", None, ["training.epochs=3"], OwnSource(str(photos)))
    flowers = load_config("flowers")
    assert (config.data.folder, config.data.name, config.data.version) == (str(photos), None, None)
    assert config.data.curated_schema is None
    assert config.evaluation.min_accuracy == pytest.approx(0.4)
    assert config.pipeline_name == "flowers-my-photos"
    assert (config.backbone, config.preprocessing) == (flowers.backbone, flowers.preprocessing)
    assert config.training == flowers.training.model_copy(update={"epochs": 3})
    for word in ("tf_flowers", "data.version", "data.curated_schema", "evaluation.min_accuracy"):
        assert word in says
    assert "\n" not in says


def test_gates_that_name_classes_and_slices_go_and_others_stay(tmp_path, photos):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "pipeline_name: mine\n"
        "data: {name: cifar10, data_dir: /tfds, examples_per_class: 5,"
        " screen: {max_pixels: 1000000}}\n"
        "backbone: {handle: bit-mini}\n"
        "evaluation: {min_class_accuracy: {cat: 0.9}, slices: [{feature: id, min_accuracy: 0.1}],"
        " baseline: best_blessed, split: train}\n"
    )
    config, _ = settle(None, str(file), [], OwnSource(str(photos)))
    values = dump_config(config)
    assert values["evaluation"]["min_class_accuracy"] is None
    assert values["evaluation"]["slices"] == []
    assert (config.evaluation.split, config.evaluation.baseline) == ("eval", "best_blessed")
    assert config.data.data_dir is None
    assert (config.data.examples_per_class, config.data.screen.max_pixels) == (5, 1_000_000)
    config, _ = settle(None, str(file), [], OwnSource(data="cifar100"))
    assert (config.data.name, config.data.data_dir) == ("cifar100", "/tfds")


def test_what_is_set_wins_over_the_source(photos):
    overrides = [
        "pipeline_name=other",
        "evaluation.min_accuracy=0.99",
        "data.splits.train='train[:50%]'",
    ]
    config, _ = settle(None, None, overrides, OwnSource(str(photos)))
    assert (config.pipeline_name, config.evaluation.min_accuracy) == ("other", 0.99)
    assert config.data.splits.train == "train[:50%]"


def test_tfrecords_are_given_by_split_with_their_classes(monkeypatch, tmp_path):
    monkeypatch.setattr(own_source, "reaches", never)
    monkeypatch.chdir(tmp_path)
    own = OwnSource(tfrecords=("train=a/train-*", "test=/b/*.gz"), classes="cat, dog")
    config, says = settle(None, None, [], own)
    assert config.data.tfrecords.files == {"train": f"{tmp_path}/a/train-*", "test": "/b/*.gz"}
    assert config.data.tfrecords.class_names == ("cat", "dog")
    assert config.evaluation.min_accuracy == pytest.approx(0.62, abs=0.01)
    assert "floor 0.6" in says
    for wrong in (
        OwnSource(tfrecords=("a/*",), classes="a,b"),
        OwnSource(tfrecords=("t=x",), classes="a"),
    ):
        with pytest.raises(UserError, match=r"--tfrecords a/|--classes a"):
            settle(None, None, [], wrong)


def test_a_source_without_one_changes_nothing():
    assert settle("flowers", None, [], OwnSource()) == (load_config("flowers"), "")


def test_init_writes_what_check_and_run_accept_and_overwrites_nothing(photos, tmp_path):
    first = bit_tfx("init", "--folder", photos, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    file = tmp_path / "my-photos.yaml"
    text = file.read_text()
    assert "# 240 images in 5 classes" in text
    assert text.count("\n  # ") >= 6
    expected = fit(look(str(photos)), never).values
    assert load_config(file=str(file)) == load_config_of(expected)
    again = bit_tfx("init", "--folder", photos, cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    file.write_text("mine")
    assert bit_tfx("init", "--folder", photos, "--force", cwd=tmp_path).returncode == 0
    assert file.read_text() == text
    checked = bit_tfx("check", "--config", file, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "204 train and 36 eval images in 5 classes" in checked.stdout


@pytest.mark.parametrize("names", [{}, {"only": 3}])
def test_init_refuses_a_folder_that_no_classifier_can_learn_from(tmp_path, names):
    import numpy as np

    folder = tmp_path / "photos"
    folder.mkdir()
    for name, count in names.items():
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"{number}.jpg").write_bytes(photo(0, np.random.default_rng(number)))
    ran = bit_tfx("init", "--folder", folder, cwd=tmp_path)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert ("one class (only)" in ran.stderr) == bool(names)
    assert list(tmp_path.glob("*.yaml")) == []


def test_a_name_that_yaml_would_take_for_something_else_is_quoted(tmp_path, photos):
    for name in ("null", "true", "1e3", "a: b # c"):
        folder = tmp_path / name
        folder.symlink_to(photos)
        ran = bit_tfx("init", "--folder", folder, "--output", "x.yaml", "--force", cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        config = load_config(file=str(tmp_path / "x.yaml"))
        assert (config.data.folder, config.pipeline_name) == (str(folder), name_of(str(folder)))


def test_check_prints_the_plan_and_leaves_nothing(tmp_path, tfds_dir):
    ran = bit_tfx("check", cwd=tmp_path, environment={"TFDS_DATA_DIR": str(tfds_dir)})
    assert ran.returncode == 0, ran.stderr
    lines = dict(line.split(None, 1) for line in ran.stdout.splitlines())
    assert lines["Data"] == "digits/1.0.0: 1,527 train and 270 eval images in 10 classes"
    assert lines["Training"].startswith("288 steps of 64 images in 12 epochs at most; rate 0.025, ")
    assert "no run has finished there" in lines["Output"]
    # float32 [1797, 32, 32, 3].
    assert "22.1 MB of decoded images" in lines["Memory"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "digit"], "There is no preset 'digit'"),
        (["--set", "training.sed=1"], "training.sed: no such key; did you mean seed?"),
        (["--set", "backbone.handle=/nowhere"], "backbone.handle /nowhere: there is no such"),
        (["--folder", "/nowhere"], "data.folder /nowhere cannot be listed"),
        (["--output", "a*"], "TFX takes * for part of a pattern"),
    ],
)
def test_check_ends_with_2_where_a_run_would(tmp_path, arguments, words):
    ran = bit_tfx("check", *arguments, cwd=tmp_path)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_init_and_the_choice_of_a_source_load_no_framework(tmp_path, photos):
    code = (
        "import sys; from pipeline.cli.command_line import perform\n"
        "from pipeline.cli.main import command\n"
        f"assert perform(command, ['init', '--folder', {str(photos)!r}]) == 0\n"
        "import pipeline.inputs.own_source\n"
        f"loaded = set({FRAMEWORKS!r}) & set(sys.modules); assert not loaded, loaded"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)


def write_labels(folder, name="labels.csv", label="label"):
    files = sorted(path for path in folder.rglob("*.*") if path.parent != folder)
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in files]
    (folder / name).write_text("\n".join([f"file_name,{label}", *rows]) + "\n")
    return folder / name


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Photographs and a table in one folder."""
    folder = tmp_path_factory.mktemp("home") / "pets"
    write_photos(folder, 120)
    return folder


def test_a_table_is_looked_at_as_its_folder_is(labelled):
    table = write_labels(labelled)
    config, says = settle(None, None, [], OwnSource(table=str(table)))
    folder, _ = settle(None, None, [], OwnSource(folder=str(labelled)))
    assert config.pipeline_name == "pets-labels"
    assert config.data.table.path == str(table)
    same = {"pipeline_name", "data"}
    assert config.model_dump(exclude=same) == folder.model_dump(exclude=same)
    assert config.data.splits == folder.data.splits
    assert "120 images in 5 classes" in says
    assert f"init --table {table}" in says


def test_columns_of_a_table_are_given_by_overrides(labelled, tmp_path):
    table = write_labels(labelled, "species.csv", label="species")
    with pytest.raises(UserError, match=r"--set data\.table\.label=NAME"):
        settle(None, None, [], OwnSource(table=str(table)))
    given = ["data.table.label=species"]
    config, says = settle(None, None, given, OwnSource(table=str(table)))
    assert config.data.table.label == "species"
    with pytest.raises(UserError, match=r"data\.table\.labl: no such key; did you mean label"):
        settle(None, None, ["data.table.labl=species"], OwnSource(table=str(table)))
    command = says.partition("`")[2].partition("`")[0].partition("init")[2]
    written = bit_tfx("init", *command.split(), "--output", tmp_path / "pets.yaml")
    assert written.returncode == 0, written.stderr
    again = load_config(file=str(tmp_path / "pets.yaml"))
    assert dump_config(again) == dump_config(config)


def test_init_takes_columns_of_a_table_alone(tmp_path):
    for arguments, says in (
        ([], "give one of --folder and --table"),
        (["--folder", "a", "--table", "b"], "give one of --folder and --table"),
        (["--table", "b", "--set", "training.seed=3"], "init takes data.table.KEY=COLUMN"),
    ):
        ran = bit_tfx("init", *arguments, cwd=tmp_path)
        assert (ran.returncode, says in ran.stderr) == (2, True)


@pytest.mark.parametrize("source", ["folder: pets", "table: pets/labels.csv"])
def test_a_file_of_one_line_comes_to_what_the_command_line_comes_to(labelled, source):
    write_labels(labelled)
    file = labelled.parent / "one-line.yaml"
    file.write_text(f"data: {{{source}}}\n")
    config, says = settle(None, str(file), [], OwnSource())
    key, _, name = source.partition(": ")
    direct, _ = settle(None, None, [], OwnSource(**{key: str(labelled.parent / name)}))
    assert dump_config(config) == dump_config(direct)
    assert says.startswith("Not in one-line.yaml, so chosen: pipeline_name=pets")
    for section in ("data.splits=", "backbone.handle=bit-mini", "evaluation.min_accuracy="):
        assert section in says
    assert "\n" not in says


def test_what_a_short_file_has_stays(labelled, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"data: {{folder: '{labelled}', splits: {{train: 'train[:60%]', eval: 'train[60%:]'}}}}\n"
        "training: {batch_size: 8}\n"
        "evaluation: {min_accuracy: 0.3}\n"
    )
    config, says = settle(None, str(file), ["pipeline_name=mine"], OwnSource())
    assert config.pipeline_name == "mine"
    assert config.data.splits.train == "train[:60%]"
    assert (config.training.batch_size, config.training.base_learning_rate) == (8, 0.2)
    assert (config.evaluation.min_accuracy, config.evaluation.max_regression) == (0.3, None)
    for kept in ("pipeline_name", "data", "batch_size", "evaluation"):
        assert kept not in says
    file.write_text(f"data: {{folder: '{labelled}'}}\nbackbone: {{handle: bit-mini}}\n")
    config, _ = settle(None, str(file), [], OwnSource())
    assert config.training == type(config.training)()


def test_the_name_of_a_data_set_alone_has_a_gate_above_chance(tmp_path):
    file = tmp_path / "beans.yaml"
    file.write_text("data: {name: beans, version: 0.1.0}\n")
    config, says = settle(None, str(file), [], OwnSource())
    direct, _ = settle(None, None, ["data.version=0.1.0"], OwnSource(data="beans"))
    assert dump_config(config) == dump_config(direct)
    assert config.evaluation.above_chance
    assert "evaluation.above_chance=true" in says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pipeline_name: x\n", "data: is required"),
        ("data: {folder: /a, name: b}\n", "give one of name, folder, table, tfrecords"),
        ("data: {folder: /a, fodler: b}\n", "data.fodler: no such key; did you mean folder"),
        ("data: {folder: /no/such/folder}\n", "data.folder /no/such/folder cannot be listed"),
        ("data: {table: /no/such.csv}\n", "data.table: no file matches /no/such.csv"),
    ],
)
def test_a_short_file_that_is_wrong_is_refused(tmp_path, text, says):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        settle(None, str(tmp_path / "x.yaml"), [], OwnSource())
    assert says in str(error.value)


def test_heic_without_its_plug_in_says_what_to_type(monkeypatch):
    from pipeline.inputs import fit as module

    assert fit(made([0, 1] * 50, formats={"heic": 40}), never).values["data"]["screen"] == {
        "convert": ["heic"]
    }
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        fit(made([0, 1] * 50, formats={"heic": 40, "jpeg": 3}), never)
    text = str(error.value)
    assert "40 of 43 images looked at are HEIC" in text
    assert "uv pip install pillow-heif" in text
    assert (
        "cp -r /data/x /data/x-jpeg && find /data/x-jpeg -iname '*.heic' -exec heif-convert" in text
    )
    assert "{} {}.jpg \\; -delete; then give /data/x-jpeg." in text
    assert (
        "screen" not in fit(made([0, 1] * 50, formats={"heic": 1, "jpeg": 3}), never).values["data"]
    )
