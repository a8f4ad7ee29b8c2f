"""The configuration: presets, files, overrides and what is refused."""

import glob
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserError
from components.trainer.config import ExplicitSchedule
from pipeline.config import (
    Config,
    dump_config,
    load_config,
    pipeline_name_in,
    preset_names,
)
from pipeline.config.yaml_text import write_yaml
from pipeline.shipped import PRESETS, SCHEMAS

MINIMAL = """\
pipeline_name: mine
data: {name: cifar10}
backbone: {handle: bit-mini}
evaluation: {min_accuracy: 0.9}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_the_presets():
    assert preset_names() == [
        "cifar10",
        "cifar100",
        "digits",
        "flowers",
        "flowers-full",
        "flowers102",
        "oxford-pets",
    ]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_valid_and_its_header_gives_the_command_and_the_expected_result(name):
    assert load_config(name).pipeline_name == name
    header = (PRESETS / f"{name}.yaml").read_text().split("pipeline_name")[0]
    preset = "" if name == "digits" else f" --preset {name}"
    assert f"#   .venv/bin/python local_runner.py{preset}\n" in header
    assert re.search(r"# Expected: .*\d", header)


@pytest.mark.parametrize(
    "name", ["cifar10", "cifar100", "flowers102", "flowers-full", "oxford-pets"]
)
def test_a_preset_of_the_paper_follows_its_rule(name):
    config = load_config(name)
    assert (config.backbone.mode, config.training.schedule) == ("full", "hyperrule")
    assert config.training.base_learning_rate == 0.003
    # The floor is below what was published.
    header = (PRESETS / f"{name}.yaml").read_text().split("pipeline_name")[0]
    published = [float(figure) for figure in re.findall(r"(\d+\.\d+)(?= %| to)", header)]
    assert published
    assert all(100 * config.evaluation.min_accuracy < figure for figure in published)


def test_the_default_preset_is_digits():
    assert load_config() == load_config("digits")


def test_flowers_is_the_seed_to_the_letter():
    """keras.io, "Image Classification using BigTransfer (BiT)"."""
    config = load_config("flowers")
    assert (config.data.name, config.data.splits.train, config.data.splits.eval) == (
        "tf_flowers",
        "train[:85%]",
        "train[85%:]",
    )
    assert (config.preprocessing.resize, config.preprocessing.crop) == (384, 224)
    assert config.preprocessing.flip
    assert config.backbone.handle == "https://tfhub.dev/google/bit/m-r50x1/1"
    assert config.backbone.mode == "head_only"
    training = config.training
    assert (training.batch_size, training.steps_per_epoch, training.seed) == (64, 10, 42)
    assert (training.base_learning_rate, training.schedule) == (0.003, "keras_io")
    assert (training.early_stopping_patience, training.shuffle_buffer) == (2, 10_000)
    assert "97.27 %" in (PRESETS / "flowers.yaml").read_text()


@pytest.mark.parametrize("name", preset_names())
def test_a_resolved_configuration_reads_back_as_itself(name, tmp_path):
    config = load_config(name)
    write_yaml(dump_config(config), tmp_path / "again.yaml")
    assert load_config(file=str(tmp_path / "again.yaml")) == config


def test_a_file_needs_four_lines(file):
    config = load_config(file=file(MINIMAL))
    assert config.preprocessing.resize == "auto"
    assert config.training.schedule == "keras_io"


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("evaluation.min_accuracy=0.9999", lambda c: c.evaluation.min_accuracy, 0.9999),
        ("evaluation.min_accuracy=1", lambda c: c.evaluation.min_accuracy, 1),
        ("training.base_learning_rate=1e-3", lambda c: c.training.base_learning_rate, 0.001),
        ("training.seed=7", lambda c: c.training.seed, 7),
        ("preprocessing.flip=true", lambda c: c.preprocessing.flip, True),
        ("preprocessing.crop=null", lambda c: c.preprocessing.crop, None),
        ("data.splits.train=train[:50%]", lambda c: c.data.splits.train, "train[:50%]"),
        ("data.version=1.0.0", lambda c: c.data.version, "1.0.0"),
        ("pipeline_name=other", lambda c: c.pipeline_name, "other"),
        ("training.schedule=keras_io", lambda c: c.training.schedule, "keras_io"),
        ("training.schedule.steps=480", lambda c: c.training.schedule.steps, 480),
        ("backbone.handle=a=b", lambda c: c.backbone.handle, "a=b"),
        (
            "training.schedule={steps: 90, boundaries: [30, 60]}",
            lambda c: c.training.schedule,
            ExplicitSchedule(steps=90, boundaries=(30, 60)),
        ),
    ],
)
def test_an_override(override, read, value):
    assert read(load_config(overrides=[override])) == value


def test_the_last_override_wins():
    config = load_config(overrides=["training.seed=1", "training.seed=2"])
    assert config.training.seed == 2


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.batch_sice=3", "training.batch_sice: no such key; did you mean batch_size?"),
        ("trainning.seed=3", "trainning: no such key; did you mean training?"),
        ("training.batch_size=0", "training.batch_size: input should be greater than or equal"),
        ("training.batch_size=true", "training.batch_size: input should be a valid integer"),
        ("training.batch_size='64'", "training.batch_size: input should be a valid integer"),
        ("training.batch_size=6.5", "training.batch_size: input should be a valid integer"),
        ("training.base_learning_rate=.nan", "training.base_learning_rate:"),
        ("backbone.mode=half", "backbone.mode: input should be 'head_only' or 'full'"),
        ("evaluation.min_accuracy=97", "less than or equal to 1 (given: 97)"),
        ("evaluation={}", "evaluation: no gate"),
        ("evaluation.min_class_accuracy=2", "evaluation.min_class_accuracy: input should be less"),
        ("evaluation.min_class_accuracy={a: 2}", "evaluation.min_class_accuracy.a: input should"),
        ("evaluation.slices=[{feature: x}]", "evaluation.slices.0: no gate"),
        ("evaluation.slices=[{feature: x, min_acuracy: 1}]", "did you mean min_accuracy?"),
        ("evaluation.split=test", "evaluation.split is test, but data.splits.test is not given"),
        ("preprocessing.crop=33", "preprocessing: crop 33 is larger than resize 32"),
        ("data.version=1.0", "data.version: input should be a valid string"),
        ("data.version=newest", "is not a version such as 3.0.1"),
        ("pipeline_name=My Pipeline", "pipeline_name:"),
        ("training.schedule={steps: 50, boundaries: [9, 9]}", "boundaries must be positive and"),
        ("training.schedule={steps: 50, boundaries: [50]}", "boundaries must be below steps 50"),
        ("training.schedule={steps: 5}", "schedule.steps 5 is less than one epoch"),
        ("training.schedule=cosine", "training.schedule: input should be 'keras_io' or 'h"),
        ("training.schedule={steps: -5}", "training.schedule.steps: input should be greater"),
        ("training.schedule={stebs: 50}", "training.schedule.stebs: no such key; did you mean ste"),
        ("training.schedule={boundaries: [3]}", "training.schedule.steps: is required"),
        ("training.steps_per_epoch=ten", "training.steps_per_epoch: input should be a valid int"),
        ("training.early_stopping_patience=0", "training.early_stopping_patience: input should"),
        ("training.mixup=-1", "training.mixup: input should be greater than or equal to 0"),
        ("training.batch_split=3", "training: batch_size 64 is not a multiple of batch_split 3"),
        ("training.schedule={steps: 9, warmup: 10}", "warmup 10 must end before the rate falls"),
        ("preprocessing={resize: 64}", "preprocessing: resize and crop go together"),
        ("training.schedule=7", "training.schedule: input should be `keras_io`, `hyperrule`, or"),
        ("training.schedule={steps: 50, boundaries: x}", "training.schedule.boundaries: input"),
        ("backbone.sha256=abc", "backbone.sha256:"),
        ("training.seed", "write it as section.key=value"),
        ("=3", "write it as section.key=value"),
        ("training..seed=3", "write it as section.key=value"),
        ("pipeline_name.x=3", "pipeline_name is not a section"),
        ("training.seed=[1", "--set training.seed, line 1"),
        ("training=7", "training:"),
    ],
)
def test_what_is_refused_is_named(override, words):
    with pytest.raises(UserError) as error:
        load_config(overrides=[override])
    assert words in str(error.value)


@pytest.mark.parametrize(
    "override", ["training.batch_size=51200", "training.steps_per_epoch=16001"]
)
def test_an_epoch_that_the_seeds_length_does_not_hold_is_refused(override):
    with pytest.raises(
        UserError, match=r"training: the keras_io schedule's length .* less than one"
    ):
        load_config(overrides=["training.schedule=keras_io", override])


def test_every_mistake_is_told_at_once():
    with pytest.raises(UserError) as error:
        load_config(overrides=["training.batch_size=-1", "data.nam=x", "evaluation.top_k=one"])
    for key in ("training.batch_size", "data.nam", "evaluation.top_k"):
        assert f"\n  {key}: " in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: {name: [", "mine.yaml, line 1, column"),
        ("a: 1\na: 2\n", "duplicate key"),
        ("- one\n- two\n", "not a list"),
        ("just words", "not a text"),
        ("", "pipeline_name: is required"),
        ("data: {name: !!python/object:os.system x}", "mine.yaml"),
    ],
)
def test_a_file_that_is_no_configuration(file, text, words):
    with pytest.raises(UserError) as error:
        load_config(file=file(text))
    assert words in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"absent\.yaml cannot be read: No such file"):
        load_config(file=str(tmp_path / "absent.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load_config(file=str(tmp_path / "bytes.yaml"))


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(UserError, match="no preset 'birds'; choose from cifar10, cifar100, digits"):
        load_config("birds")


def test_paths_in_a_file_count_from_the_file(file, tmp_path):
    (tmp_path / "backbone").mkdir()
    text = MINIMAL.replace("cifar10", "cifar10, data_dir: data").replace("bit-mini", "./backbone")
    config = load_config(file=file(text))
    assert config.data.data_dir == str(tmp_path / "data")
    assert config.backbone.handle == str(tmp_path / "backbone")


def test_every_pattern_of_tfrecords_counts_from_the_file(file, tmp_path, monkeypatch):
    files = "{train: 'records/train-*', test: 'gs://bucket/test-*', more: ~/more}"
    source = f"tfrecords: {{files: {files}, class_names: [a, b]}}"
    text = MINIMAL.replace("name: cifar10", source)
    monkeypatch.chdir("/")
    given = ["data.tfrecords.files.own=own-*"]
    config = load_config(file=file(text), overrides=given)
    assert config.data.tfrecords.files == {
        "train": str(tmp_path / "records" / "train-*"),
        "test": "gs://bucket/test-*",
        "more": str(Path.home() / "more"),
        "own": "/own-*",
    }
    folder = MINIMAL.replace("name: cifar10", "folder: photos")
    assert load_config(file=file(folder)).data.folder == str(tmp_path / "photos")


@pytest.mark.parametrize("form", ["t/*.csv", "{path: 't/*.csv'}"])
def test_a_table_counts_from_the_file_in_either_form(file, tmp_path, monkeypatch, form):
    text = MINIMAL.replace("name: cifar10", f"table: {form}")
    monkeypatch.chdir("/")
    table = load_config(file=file(text), overrides=["data.table.label=species"]).data.table
    assert (table.path, table.label) == (str(tmp_path / "t" / "*.csv"), "species")
    given = ["data.table=own.csv", "data.table.image=file"]
    table = load_config(file=file(text), overrides=given).data.table
    assert (table.path, table.image, table.label) == ("/own.csv", "file", None)
    uri = MINIMAL.replace("name: cifar10", "table: gs://bucket/a.csv")
    assert load_config(file=file(uri)).data.table.path == "gs://bucket/a.csv"


def test_the_folder_that_a_pattern_counts_from_is_no_pattern(tmp_path):
    folder = tmp_path / "run [1]"
    (folder / "records").mkdir(parents=True)
    (folder / "records" / "train-0").touch()
    source = "tfrecords: {files: {train: 'records/train-*'}, class_names: [a, b]}"
    (folder / "c.yaml").write_text(MINIMAL.replace("name: cifar10", source))
    config = load_config(file=str(folder / "c.yaml"))
    found = glob.glob(config.data.tfrecords.files["train"])
    assert found == [str(folder / "records" / "train-0")]


def test_the_home_folder_of_nobody_is_a_mistake():
    given = ["data.name=null", "data.version=null", "data.folder=~nobody-at-all/photos"]
    with pytest.raises(UserError, match=r"data\.folder ~nobody-at-all/photos: there is no user"):
        load_config(overrides=given)


def test_where_tfds_keeps_data_is_of_a_tfds_name():
    given = ["data.name=null", "data.version=null", "data.folder=/photos", "data.data_dir=/data"]
    with pytest.raises(UserError, match=r"data_dir only goes with data\.name"):
        load_config(overrides=given)


def test_paths_on_the_command_line_count_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(overrides=["data.data_dir=data", "backbone.handle=./mine"])
    assert config.data.data_dir == str(Path(tmp_path, "data"))
    assert config.backbone.handle == str(Path(tmp_path, "mine"))


def test_paths_on_the_command_line_count_from_here_beside_a_file_too(file, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    text = MINIMAL.replace("cifar10", "cifar10, data_dir: data, curated_schema: own.pbtxt")
    config = load_config(file=file(text), overrides=["data.data_dir=data", "backbone.handle=./b"])
    assert config.data.curated_schema == str(tmp_path / "own.pbtxt")
    assert config.data.data_dir == str(here / "data")
    assert config.backbone.handle == str(here / "b")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["training.sed=1"], "digits"),
        (["pipeline_name=other", "training.sed=1"], "other"),
        (["pipeline_name=No Name"], ""),
        (["pipeline_name=[1"], ""),
    ],
)
def test_the_name_of_an_invalid_configuration(overrides, name):
    assert pipeline_name_in(None, None, overrides) == name
    assert pipeline_name_in("birds", None, overrides) == ""
    assert pipeline_name_in(None, "/nowhere.yaml", overrides) == ""


def test_a_shipped_name_is_no_path_even_beside_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bit-mini").mkdir()
    assert load_config().backbone.handle == "bit-mini"


def test_addresses_are_no_paths():
    config = load_config(
        overrides=["data.data_dir=gs://bucket/data", "backbone.handle=https://tfhub.dev/x/1"]
    )
    assert config.data.data_dir == "gs://bucket/data"
    assert config.backbone.handle == "https://tfhub.dev/x/1"


def test_curated_schemas_of_the_presets_are_there():
    schemas = {name: load_config(name).data.curated_schema for name in preset_names()}
    given = {name for name, schema in schemas.items() if schema is not None}
    # The others name data of which nobody here has seen a statistic.
    assert given == {"digits", "flowers", "flowers-full"}
    assert all((SCHEMAS / f"{schemas[name]}.pbtxt").is_file() for name in given)


def test_reading_a_configuration_loads_no_framework():
    code = (
        "import sys; from pipeline.config import load_config; load_config('flowers');"
        "loaded = {'tensorflow', 'tfx', 'apache_beam', 'tensorflow_datasets'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_error_shows_a_regular_expression():
    """Pydantic's own message for a `pattern` is the expression; `matching` gives a sentence."""

    def patterns(schema):
        if isinstance(schema, dict):
            assert not isinstance(schema.get("pattern"), str), schema
            for value in schema.values():
                patterns(value)
        elif isinstance(schema, list):
            for value in schema:
                patterns(value)

    patterns(Config.model_json_schema())


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("pipeline_name=My_Pipeline", "pipeline_name: must be 1 to 63 lower-case letters, digits"),
        ("backbone.sha256=abc", "backbone.sha256: must be a SHA-256: 64 digits 0-9 and a-f"),
        ("kubeflow.image=a b", "kubeflow.image: must be the name of an image, without spaces"),
        ("kubeflow.metadata={sqlite: here}", "kubeflow.metadata.sqlite: must be an absolute path"),
        ("kubeflow.metadata.mysql={database: a-b}", "database: must be 1 to 64 letters, digits"),
        ("kubeflow.steps.Trainer.memory_limit=16 GB", "must be a Kubernetes quantity such as 500m"),
        ("kubeflow.steps.Trainer.labels={a: '-'}", "must be a label value: at most 63 letters"),
        ("kubeflow.image_pull_secrets=[A]", "image_pull_secrets.0: must be a Kubernetes name"),
    ],
)
def test_a_text_of_the_wrong_form_is_described_in_words(override, sentence):
    with pytest.raises(UserError) as error:
        load_config(overrides=[override])
    assert sentence in str(error.value)
    assert not re.search(r"[\^$\\]|\[a-z", str(error.value))
