"""The tables are the model's own answers, whatever is scored, and however often it broke off."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats
import tensorflow as tf
from PIL import Image

from components.errors import UserError
from components.example_gen.config import ScreenConfig
from components.process import ROOT
from components.scoring import parts, pipeline
from components.scoring.batches import work_of
from components.scoring.images import open_images
from components.scoring.model import find_model
from components.scoring.run import Watch, score
from components.scoring.settings import ScoreSettings
from components.scoring.table import Columns, entropies
from components.storage import as_path, copy_tree
from components.trainer.train import train
from tests import poison
from tests.command import BIT_TFX, bit_tfx
from tests.components.trainer.jobs import CLASSES, make_job, png

FLAGS = ["--runner=FnApiRunner"]
SIDE, VERSION = 24, "1764497700"
IMAGES, BATCH = 40, 8


@pytest.fixture(scope="module")
def serving(digits_folder, tmp_path_factory):
    """A serving folder with a trained model."""
    train(make_job(digits_folder, "scoring", schedule={"steps": 3}))
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(f"{digits_folder}/scoring/model", folder / VERSION)
    return folder


@pytest.fixture(scope="module")
def model(serving):
    return tf.saved_model.load(str(serving / VERSION))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """40 scans in nested folders, five batches."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(IMAGES):
        path = folder / f"{index % 3}" / f"{index:02d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(index))
    return folder


@pytest.fixture
def settings(serving, digits, tmp_path):
    def of(**given):
        told = {
            "model": str(serving),
            "images": str(digits),
            "output": str(tmp_path / "out" / "predictions.parquet"),
            "batch_size": BATCH,
        }
        return ScoreSettings(**{**told, **given})

    return of


def scored(settings):
    """What is said, and the two tables."""
    said = []
    score(settings, FLAGS, Watch(said.append))
    assert not settings.parts.exists()
    return said, pq.read_table(settings.target), pq.read_table(settings.rejects)


def files_of(settings):
    return settings.target.read_bytes(), settings.rejects.read_bytes()


@pytest.fixture(scope="module")
def whole(serving, digits, tmp_path_factory):
    """The bytes of an unbroken run."""
    told = ScoreSettings(
        model=str(serving),
        images=str(digits),
        output=str(tmp_path_factory.mktemp("whole") / "predictions.parquet"),
        batch_size=BATCH,
    )
    score(told, FLAGS, Watch(print))
    return files_of(told)


def test_rows_are_the_models_answers(settings, model, digits):
    told = settings(probabilities=True, top_k=3)
    said, table, rejects = scored(told)
    assert said == []
    assert rejects.num_rows == 0
    names = sorted(path.relative_to(digits).as_posix() for path in digits.rglob("*.png"))
    assert table["name"].to_pylist() == names
    # In other batches, and of pixels that Pillow decoded.
    pixels = np.stack([np.asarray(Image.open(digits / name).convert("RGB")) for name in names])
    resized = tf.image.resize(pixels, (SIDE, SIDE)) / 255
    expected = model.signatures["predict_pixels"](resized)["probabilities"].numpy()
    found = np.array(table["probabilities"].to_pylist())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    top = np.argsort(-found, axis=1)[:, :3]
    assert table["top_class_index"].to_pylist() == top.tolist()
    assert table["class_index"].to_pylist() == top[:, 0].tolist()
    assert table["class_name"].to_pylist() == [CLASSES[index] for index in top[:, 0]]
    assert table["top_class_name"].to_pylist() == [[CLASSES[i] for i in row] for row in top]
    assert table["probability"].to_pylist() == found.max(axis=1).tolist()
    sorted_ones = -np.sort(-found, axis=1)[:, :3]
    assert table["top_probability"].to_pylist() == sorted_ones.tolist()
    entropy = scipy.stats.entropy(found, axis=1)
    np.testing.assert_allclose(table["entropy"].to_numpy(), entropy, rtol=1e-5)


def test_the_entropy_of_sure_and_unsure_answers():
    rows = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], np.float32)
    np.testing.assert_allclose(entropies(rows), [0, np.log(4), np.log(2)], atol=1e-12)
    assert not np.signbit(entropies(rows)).any()
    drawn = np.random.default_rng(0).dirichlet(np.full(50, 0.1), 100).astype(np.float32)
    np.testing.assert_allclose(entropies(drawn), scipy.stats.entropy(drawn, axis=1), rtol=1e-5)


def test_columns_and_metadata(settings, serving):
    told = settings(top_k=50)
    _, table, rejects = scored(told)
    assert table.column_names == [
        "name", "class_index", "class_name", "probability", "top_class_index", "top_class_name",
        "top_probability", "entropy",
    ]  # fmt: skip
    assert rejects.column_names == ["name", "reason", "detail"]
    # The name of a list's one field is another in later pyarrows.
    types = {field.name: str(field.type).replace("element", "item") for field in table.schema}
    assert (types["class_index"], types["probability"]) == ("int64", "float")
    assert (types["entropy"], types["top_probability"]) == ("double", "list<item: float>")
    assert {len(row) for row in table["top_class_index"].to_pylist()} == {len(CLASSES)}
    for schema in (table.schema, rejects.schema):
        known = schema.metadata
        assert known[b"bit_tfx.model_version"].decode() == VERSION
        assert json.loads(known[b"bit_tfx.class_names"]) == list(CLASSES)
        assert known[b"bit_tfx.model_digest"].decode() == find_model(str(serving)).digest


def test_the_most_uncertain_come_first(settings, whole, monkeypatch):
    by_name = pq.read_table(pa.BufferReader(whole[0]))
    # Rows from many groups, as of a large table.
    monkeypatch.setattr("components.scoring.assemble._GROUP_ROWS", 7)
    _, by_entropy, _ = scored(settings(sort="entropy"))
    order = np.argsort(-by_name["entropy"].to_numpy(), kind="stable")
    assert by_entropy.to_pylist() == by_name.take(pa.array(order)).to_pylist()


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """Two bad images of each kind among good ones; folder and reasons by name."""
    folder = tmp_path_factory.mktemp("spoiled")
    reasons = {}
    for number, (kind, (make, reason)) in enumerate([*poison.KINDS.items()] * 2):
        name = f"{number:03d}-{kind}.jpg"
        (folder / name).write_bytes(make(number))
        (folder / f"{number:03d}.png").write_bytes(png(number))
        reasons[name] = reason.value
    return folder, reasons


def test_the_full_screen_refuses_what_training_refuses(settings, spoiled):
    folder, reasons = spoiled
    told = settings(images=str(folder), screen="full", limits=poison.LIMITS)
    _, table, rejects = scored(told)
    assert dict(zip(*rejects.select(["name", "reason"]).to_pydict().values(), strict=True)) == (
        reasons
    )
    assert all(rejects["detail"].to_pylist())
    assert table["name"].to_pylist() == sorted(f"{n:03d}.png" for n in range(len(reasons)))
    assert np.isfinite(table["entropy"].to_numpy()).all()


@pytest.fixture(scope="module")
def by_header(serving, spoiled, tmp_path_factory):
    """The two tables of the spoiled folder with the screen that is the default."""
    output = tmp_path_factory.mktemp("by_header") / "p.parquet"
    told = ScoreSettings(
        model=str(serving), images=str(spoiled[0]), output=str(output), limits=poison.LIMITS
    )
    return scored(told)[1:]


def test_the_header_and_the_model_refuse_nearly_as_much(by_header, spoiled):
    _, reasons = spoiled
    table, rejects = by_header
    found = dict(zip(*rejects.select(["name", "reason"]).to_pydict().values(), strict=True))
    # Decoders fill them with grey, and say nothing that a program could hear.
    silent = {name for name in reasons if "ended" in name}
    assert set(found) >= set(reasons) - silent
    assert found.items() <= reasons.items()
    assert table.num_rows + rejects.num_rows == 2 * len(reasons)
    assert table.num_rows >= len(reasons)


def test_a_bad_image_changes_no_other_row(settings, spoiled, by_header, tmp_path):
    (folder, reasons), (mixed, _) = spoiled, by_header
    good = tmp_path / "good"
    shutil.copytree(folder, good, ignore=lambda _, names: set(names) & set(reasons))
    output = str(tmp_path / "good.parquet")
    _, alone, _ = scored(settings(images=str(good), output=output))
    kept = mixed.filter(pa.array([name not in reasons for name in mixed["name"].to_pylist()]))
    assert kept["name"] == alone["name"]
    np.testing.assert_allclose(kept["entropy"], alone["entropy"], atol=1e-5)


def test_converted_images(settings, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        (images / f"{index}.png").write_bytes(png(index))
        Image.open(images / f"{index}.png").convert("RGB").save(
            images / f"{index}.webp", lossless=True
        )
    _, table, rejects = scored(settings(images=str(images)))
    assert rejects["reason"].to_pylist() == ["unsupported"] * 3
    limits = ScreenConfig(convert=("webp",))
    told = settings(images=str(images), limits=limits, output=str(tmp_path / "c.parquet"))
    _, table, rejects = scored(told)
    assert rejects.num_rows == 0
    entropy = dict(zip(table["name"].to_pylist(), table["entropy"].to_pylist(), strict=True))
    for index in range(3):
        assert entropy[f"{index}.webp"] == pytest.approx(entropy[f"{index}.png"], abs=1e-6)


def test_a_table_with_a_missing_file(settings, digits, tmp_path):
    table = tmp_path / "images.csv"
    table.write_text(f"path\n{digits}/0/00.png\nnowhere.png\n")
    _, rows, rejects = scored(settings(images=str(table)))
    assert rows["name"].to_pylist() == [f"{digits}/0/00.png"]
    assert rejects["reason"].to_pylist() == ["unreadable"]
    assert rejects["name"].to_pylist() == ["nowhere.png"]


def test_a_data_set_of_tfds(settings, tfds_dir, model, tmp_path):
    told = settings(images="tfds:digits", split="train[:20]", data_dir=str(tfds_dir))
    _, table, _ = scored(told)
    stored = [stored.image for shard in open_images(told).shards for stored in shard.images()]
    answers = model.signatures["predict_image"](tf.constant(stored))
    assert table["class_index"].to_pylist() == answers["class_index"].numpy().tolist()


def begin(told, batches):
    """What a run that broke off after some batches of each shard has left."""
    found, images = find_model(told.model), open_images(told)
    job = {
        "model": found.digest,
        "images": images.fingerprint,
        "options": json.dumps(told.options(), sort_keys=True),
    }
    with parts.opened(told.parts):
        parts.settle(told.parts, job)
        todo = {(shard, n) for shard in range(len(images.shards)) for n in range(99)}
        work = work_of(images.shards, told.batch_size, todo - {(0, n) for n in batches})
        columns = Columns(len(found.class_names), told.top_k, False, found.class_names)
        pipeline.run(work, found.folder, told, columns, parts.identity(job), FLAGS)
    return sorted(told.parts.glob("*.arrow"))


def test_it_goes_on_with_what_is_done(settings, whole):
    told = settings()
    left = begin(told, [0, 3])
    assert len(left) == 2
    times = [path.stat().st_mtime_ns for path in left]
    seen = []

    def progress(done, of):
        seen.append(of)
        assert [path.stat().st_mtime_ns for path in left if path.exists()] in (times, [], times[1:])

    said = []
    score(told, FLAGS, Watch(said.append, progress))
    assert said == ["Going on: 2 of 5 parts are done."]
    assert files_of(told) == whole
    assert set(seen) <= {IMAGES}


def test_a_spoiled_part_is_done_again(settings, whole):
    told = settings()
    first, second = begin(told, [1, 2])
    first.write_bytes(first.read_bytes()[:-9] + b"123456789")
    # Of another job: the digest in the name is of both.
    digest = parts._digest("another", second.read_bytes())
    second.rename(second.with_name(f"000000-000004.{digest}.arrow"))
    (told.parts / ".half").write_bytes(b"")
    said, _, _ = scored(told)
    assert said == []
    assert files_of(told) == whole


def test_other_images_or_another_model_start_from_the_first_part(
    settings, serving, digits, tmp_path
):
    images, models = tmp_path / "images", tmp_path / "models"
    shutil.copytree(digits, images)
    shutil.copytree(serving, models)
    told = settings(images=str(images), model=str(models))
    begin(told, [0, 1])
    (images / "0" / "00.png").write_bytes(png(77))
    said, table, _ = scored(told)
    assert said == ["From the first part: the images have changed since the last start."]
    first = table.slice(0, 1).to_pylist()
    output = settings(images=str(images / "0" / "00.png"), output=str(tmp_path / "one.parquet"))
    _, alone, _ = scored(output)
    assert first[0]["entropy"] == pytest.approx(alone["entropy"][0].as_py(), abs=1e-5)
    # The same command may replace its own table.
    begin(told, [0, 1])
    labels = models / VERSION / "assets.extra" / "labels.txt"
    labels.write_text(labels.read_text().upper())
    (models / VERSION / "another").touch()
    said, _, _ = scored(told)
    assert said == ["From the first part: the model has changed since the last start."]
    said, _, _ = scored(told)
    assert said == [f"Unchanged: {told.target} is of this model and of these images."]


def test_a_table_of_another_command_is_not_replaced(settings, whole):
    told = settings()
    scored(told)
    other = settings(top_k=2)
    with pytest.raises(UserError, match=r"is there already.*or replace it: --overwrite"):
        score(other, FLAGS, Watch(print))
    assert files_of(told) == whole
    _, table, _ = scored(settings(top_k=2, overwrite=True))
    assert len(table["top_class_index"][0]) == 2
    told.target.unlink()
    told.rejects.write_text("my own")
    with pytest.raises(UserError, match=r"rejects\.parquet is there already"):
        score(told, FLAGS, Watch(print))
    assert told.rejects.read_text() == "my own"


def test_two_at_once_do_not_write_one_table(settings):
    told = settings()
    with parts.opened(told.parts), pytest.raises(UserError, match="another `bit-tfx score`"):
        score(told, FLAGS, Watch(print))


def test_a_model_that_cannot_be_had(settings, serving, tmp_path):
    def refusal(folder):
        with pytest.raises(UserError) as error:
            score(settings(model=str(folder)), FLAGS, Watch(print))
        return str(error.value)

    assert "there is no such folder; give the folder `serving`" in refusal(tmp_path / "nowhere")
    assert "neither a serving folder nor one of its versions" in refusal(tmp_path)
    output = tmp_path / "output"
    shutil.copytree(serving, output / "serving")
    assert f"bit-tfx score --model {output}/serving ...`" in refusal(output)
    version = output / "serving" / VERSION
    (version / "assets.extra" / "labels.txt").rename(version / "labels.txt")
    assert "no assets.extra/labels.txt; an earlier version has pushed it" in refusal(version)
    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    assert "predict_image gives no probabilities, class_index" in refusal(tmp_path / "bare")
    (version / "saved_model.pb").write_bytes(b"\xff\xff")
    assert "its saved_model.pb is damaged" in refusal(version)
    assert not settings().target.parent.exists()


def test_a_place_that_is_no_file_of_ours(settings, tmp_path):
    for output in (tmp_path, tmp_path / "p.csv", "gs://bucket/p.parquet"):
        with pytest.raises(UserError, match="--output"):
            score(settings(output=str(output)), FLAGS, Watch(print))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="nothing can be written there: Not a directory"):
        score(settings(output=str(tmp_path / "file" / "p.parquet")), FLAGS, Watch(print))


_SHOWS_IMPORTS = """
import sys
from pipeline.cli.main import main
code = main(sys.argv[1:])
heavy = ("tfx", "ml_metadata", "tensorflow_model_analysis", "tensorflow_transform")
print([name for name in heavy if name in sys.modules])
sys.exit(code)
"""
"""Starts the command, and shows what of TFX it has imported."""


def command_of(told, *more):
    given = ("--model", told.model, "--images", told.images, "--output", told.output)
    return ("score", *given, "--batch-size", str(told.batch_size), *more)


def test_the_command_says_what_became_of_the_images(settings, spoiled):
    folder, reasons = spoiled
    told = settings(images=str(folder), batch_size=64)
    given = [*command_of(told, "--screen", "full", "--max-bytes", "1000000")]
    ran = subprocess.run(
        [sys.executable, "-c", _SHOWS_IMPORTS, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    first, second, imported = ran.stdout.splitlines()
    assert imported == "[]"
    count = len(reasons)
    assert first.startswith(f"{count} of {2 * count} images have an answer, in {told.target} (")
    assert second.startswith(f"{count} have none, in {told.rejects}: ")
    assert "2 empty" in second
    # No progress in a file, and nothing of what libraries say of bad images.
    assert ran.stderr == ""


def test_what_a_worker_raises_is_one_sentence(settings, serving, tmp_path):
    shutil.copytree(serving, tmp_path / "models")
    (data,) = (tmp_path / "models" / VERSION / "variables").glob("*.data*")
    data.write_bytes(data.read_bytes()[:100])
    told = settings(model=str(tmp_path / "models"))
    ran = bit_tfx(*command_of(told))
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("The same command goes on with what is done.")
    assert not told.target.exists()


@pytest.mark.slow
def test_workers_change_nothing(settings, whole, digits):
    told = settings()
    ran = bit_tfx(*command_of(told, "--workers", "2"))
    assert ran.returncode == 0, ran.stderr
    assert files_of(told) == whole


@pytest.mark.slow
def test_killed_three_times_it_ends_with_the_same_bytes(settings, tmp_path):
    """1,000 images, 10 of them bad."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(1_000):
        (images / f"{number:04d}.png").write_bytes(png(number) if number % 100 else b"no image")
    unbroken = settings(images=str(images), output=str(tmp_path / "a" / "p.parquet"))
    _, table, rejects = scored(unbroken)
    assert (table.num_rows, rejects.num_rows) == (990, 10)
    told = settings(images=str(images), output=str(tmp_path / "b" / "p.parquet"))
    for least in (5, 40, 90):
        process = subprocess.Popen(
            [*BIT_TFX, *command_of(told)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        while len(list(told.parts.glob("*.arrow"))) < least:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not told.target.exists()
    ran = bit_tfx(*command_of(told))
    assert ran.stdout.startswith("Going on: ")
    assert files_of(told) == files_of(unbroken)
    assert not told.parts.exists()


def test_a_model_and_images_of_an_object_store(settings, serving, digits, store, tmp_path):
    copy_tree(serving, as_path(f"{store}/serving"))
    copy_tree(digits / "0", as_path(f"{store}/photos"))
    told = settings(model=f"{store}/serving", images=f"{store}/photos")
    _, remote, _ = scored(told)
    local = settings(images=str(digits / "0"), output=str(tmp_path / "local.parquet"))
    assert remote.to_pylist() == scored(local)[1].to_pylist()
