"""K examples of every class out of real stored data, through the executor and Beam."""

import collections
from dataclasses import replace

import pytest
import tensorflow as tf

from components.errors import UserError
from components.example_gen.config import DataConfig, SplitsConfig, TfRecordsConfig
from components.example_gen.sources.source import open_source
from components.example_gen.sources.tfds_shard import TfdsShard
from tests import ram
from tests.components.example_gen.conftest import prepare_digits, records, run


@pytest.fixture(scope="module")
def seven_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seven")
    prepare_digits(folder, shards=7)
    return folder


@pytest.fixture(scope="module")
def array_record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("array_record")
    prepare_digits(folder, "array_record", shards=3)
    return folder


def digits(data_dir, k, **more):
    return DataConfig(name="digits", data_dir=str(data_dir), examples_per_class=k, **more)


def contents(found):
    """(image, label) of each record: two preparations order the features of one differently."""
    features = [tf.train.Example.FromString(record).features.feature for record in found]
    return sorted(
        (f["image"].bytes_list.value[0], f["label"].int64_list.value[0]) for f in features
    )


def drawn(folder, data_dir, k, options=(), **more):
    run(folder, digits(data_dir, k, **more), options=options)
    return contents(records(folder, "train"))


@pytest.fixture(scope="module")
def five(tmp_path_factory, tfds_dir):
    """What seed 42 draws of digits, five of each."""
    return drawn(tmp_path_factory.mktemp("five"), tfds_dir, 5)


@pytest.mark.parametrize("data", ["tfds_dir", "seven_files", "array_record"])
def test_labels_are_those_of_the_records_in_their_order(request, data):
    for shard in open_source(digits(request.getfixturevalue(data), 5)).shards:
        features = [
            tf.train.Example.FromString(stored.record).features.feature
            for stored in shard.records()
        ]
        labels = [feature["label"].int64_list.value[0] for feature in features]
        assert len(labels) == shard.take
        assert list(shard.labels()) == labels
        # As the draw reads it, whatever is taken later.
        assert list(replace(shard, drawn=(0,)).labels()) == labels


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_record_without_a_label_has_minus_one(tmp_path, file_format):
    from tensorflow_datasets.core import file_adapters

    path = str(tmp_path / "file")
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(file_format)]
    adapter.write_examples(path, [(key, tf.train.Example().SerializeToString()) for key in "ab"])
    assert list(TfdsShard("train", 0, 1, path, 0, 2, file_format=file_format).labels()) == [-1, -1]


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize("bad", ["two labels", "text", "no example"])
def test_what_is_no_such_example_stops_no_draw(tmp_path, monkeypatch, file_format, bad):
    from tensorflow_datasets.core import file_adapters

    def labelled(*labels):
        example = tf.train.Example()
        example.features.feature["label"].int64_list.value.extend(labels)
        return example.SerializeToString()

    text = tf.train.Example()
    text.features.feature["label"].bytes_list.value.append(b"five")
    record, label = {
        "two labels": (labelled(5, 6), 5),
        "text": (text.SerializeToString(), -1),
        "no example": (b"\xff junk", -1),
    }[bad]
    path = str(tmp_path / "file")
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(file_format)]
    records = [labelled(1), labelled(2), labelled(3), record, labelled(4)]
    adapter.write_examples(path, [(str(key), each) for key, each in enumerate(records)])
    # As if they were many: what was told before the bad one is not told again.
    monkeypatch.setattr("components.example_gen.sources.tfds_shard._LABELS", 2)
    found = list(TfdsShard("train", 0, 1, path, 0, 5, file_format=file_format).labels())
    assert found == [1, 2, 3, label, 4]


def test_labels_of_a_damaged_file_name_it(tmp_path):
    path = tmp_path / "file"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(3):
            writer.write(tf.train.Example().SerializeToString() or b"\n\0")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"file is damaged: .* Prepare the data set again"):
        list(TfdsShard("train", 0, 1, str(path), 0, 3, file_format="tfrecord").labels())


@pytest.mark.parametrize("data", ["seven_files", "array_record"])
def test_only_the_drawn_records_of_a_shard_are_read(request, data):
    shard = open_source(digits(request.getfixturevalue(data), 5)).shards[1]
    everything = list(shard.records())
    drawn = (0, 3, shard.take - 1)
    assert list(replace(shard, drawn=drawn).records()) == [everything[i] for i in drawn]


@pytest.mark.parametrize("k", [1, 5, 25])
def test_k_of_every_class_are_written_as_stored(tmp_path, tfds_dir, k):
    examples = run(tmp_path, digits(tfds_dir, k))
    path = str(next((tfds_dir / "digits" / "1.0.0").glob("*.tfrecord*")))
    stored = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    train = records(tmp_path, "train")
    assert len(set(train)) == len(train) == 10 * k
    assert set(train) <= set(stored[:1527])
    labels = collections.Counter(label for _, label in contents(train))
    assert labels == dict.fromkeys(range(10), k)
    assert records(tmp_path, "eval") == stored[1527:]
    assert examples.get_int_custom_property("num_examples_train") == 10 * k
    assert examples.get_int_custom_property("num_examples_eval") == 270
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["counts.json", *["data_tfrecord-00000-of-00001.gz"] * 2]


def test_more_examples_hold_the_fewer(tmp_path, tfds_dir, five):
    assert set(five) < set(drawn(tmp_path, tfds_dir, 6))


def test_the_seed_decides_and_nothing_else_does(tmp_path, tfds_dir, five):
    assert drawn(tmp_path / "again", tfds_dir, 5) == five
    other = drawn(tmp_path / "other", tfds_dir, 5, examples_seed=43)
    assert len(set(other) & set(five)) < 10


@pytest.mark.parametrize("data", ["seven_files", "array_record"])
def test_the_files_and_their_format_do_not_decide(tmp_path, request, five, data):
    folder = request.getfixturevalue(data)
    assert len(open_source(digits(folder, 5)).shards) > 2
    assert drawn(tmp_path, folder, 5) == five


def test_the_number_of_workers_does_not_decide(tmp_path, seven_files, five):
    workers = ("--direct_num_workers=3", "--direct_running_mode=multi_threading")
    assert drawn(tmp_path, seven_files, 5, options=workers) == five


def test_few_records_of_many_files_are_in_as_many_as_they_need(tmp_path, seven_files):
    run(
        tmp_path, digits(seven_files, 1, splits=SplitsConfig(train="train[:-9]", eval="train[-9:]"))
    )
    names = sorted(path.name for path in (tmp_path / "Split-train").iterdir())
    count = len(names)
    assert 1 < count <= 7
    assert names == [f"data_tfrecord-{i:05d}-of-{count:05d}.gz" for i in range(count)]
    assert len(records(tmp_path, "train")) == 10
    sizes = [
        len(list(tf.data.TFRecordDataset(str(path), "GZIP")))
        for path in (tmp_path / "Split-train").iterdir()
    ]
    assert min(sizes) > 0


def test_a_slice_of_pieces_is_drawn_from_as_a_whole(tmp_path, tfds_dir):
    splits = SplitsConfig(train="train[1000:1400]+train[:300]", eval="train[-5:]")
    run(tmp_path, digits(tfds_dir, 20, splits=splits))
    (path,) = (tfds_dir / "digits" / "1.0.0").glob("*.tfrecord*")
    stored = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    train = set(records(tmp_path, "train"))
    assert len(train) == 200
    assert train & set(stored[1000:1400])
    assert train & set(stored[:300])
    assert train <= {*stored[1000:1400], *stored[:300]}


def test_the_draw_is_written_to_an_object_store(store, tfds_dir, five):
    run(f"{store}/out", digits(tfds_dir, 5))
    name = "data_tfrecord-00000-of-00001.gz"
    written = {file for file in ram.files() if not file.startswith("index-of-out/")}
    assert written == {f"out/Split-eval/{name}", f"out/Split-train/{name}", "out/counts.json"}
    written = tf.data.TFRecordDataset(f"{store}/out/Split-train/{name}", "GZIP")
    assert contents(written.as_numpy_iterator()) == five


def test_a_class_with_fewer_is_refused_by_name_and_nothing_is_left(tmp_path, tfds_dir):
    config = digits(tfds_dir, 9, splits=SplitsConfig(train="train[:90]"))
    shard = next(shard for shard in open_source(config).shards if shard.split == "train")
    have = collections.Counter(
        label for _, label in contents(stored.record for stored in shard.records())
    )
    short = ", ".join(f"'{name}' has {have[name]}" for name in range(10) if have[name] < 9)
    assert 0 < short.count("has") < 10
    with pytest.raises(Exception, match="has") as error:
        run(tmp_path, config)
    # Beam's own wrapping would end the run with exit code 1 on other runners.
    assert type(error.value) is UserError
    assert str(error.value) == (
        f"data.examples_per_class 9: in data.splits.train 'train[:90]' of digits/1.0.0, class "
        f"{short}. Set a smaller number, or give a larger slice."
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["folder", "tfrecords"])
def test_k_of_every_class_are_drawn_of_any_source(tmp_path, kind):
    config = few_of(tmp_path / "data", kind, examples_per_class=4)
    run(tmp_path / "out", config)
    whole = few_of(tmp_path / "data", kind)
    run(tmp_path / "all", whole)
    train = contents(records(tmp_path / "out", "train"))
    assert collections.Counter(label for _, label in train) == dict.fromkeys(range(3), 4)
    assert set(train) < set(contents(records(tmp_path / "all", "train")))
    assert len(set(train)) == 12
    held_out = (contents(records(tmp_path / where, "eval")) for where in ("out", "all"))
    assert next(held_out) == next(held_out)
    fewer = few_of(tmp_path / "data", kind, examples_per_class=3)
    run(tmp_path / "fewer", fewer)
    assert set(contents(records(tmp_path / "fewer", "train"))) < set(train)
    with pytest.raises(UserError, match=r"examples_per_class 29: .* class 'a' has \d+, 'b'"):
        run(tmp_path / "none", few_of(tmp_path / "data", kind, examples_per_class=29))


def few_of(folder, kind, **more):
    """90 images of three classes as a folder, or as TFRecords whose labels are names."""
    splits = SplitsConfig(train="train[:80%]", eval="train[80%:]")
    images = {f"{'abc'[n % 3]}/{n}": png(n) for n in range(90)}
    if kind == "folder":
        for name, image in images.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(image)
        return DataConfig(folder=str(folder), splits=splits, **more)
    folder.mkdir(exist_ok=True)
    for part in range(3):
        with tf.io.TFRecordWriter(str(folder / f"part-{part}")) as writer:
            for number, (name, image) in enumerate(images.items()):
                if number // 30 == part:
                    example = tf.train.Example()
                    feature = example.features.feature
                    feature["image"].bytes_list.value.append(image)
                    feature["kind"].bytes_list.value.append(name[:1].encode())
                    writer.write(example.SerializeToString())
    section = TfRecordsConfig(
        files={"train": f"{folder}/part-*"}, class_names=("a", "b", "c"), label_feature="kind"
    )
    return DataConfig(tfrecords=section, splits=splits, **more)


def png(shade):
    return tf.io.encode_png(tf.fill((9, 9, 1), tf.cast(shade, tf.uint8))).numpy()


def test_a_class_without_any_example_is_refused_too(tmp_path, tfds_dir):
    config = digits(tfds_dir, 1, splits=SplitsConfig(train="train[:3]"))
    with pytest.raises(UserError, match="has 0"):
        run(tmp_path, config)


def test_a_file_with_fewer_records_than_promised_stops_the_draw(tmp_path):
    config = digits(tmp_path / "data", 5)
    path = open_source(config).shards[0].path
    kept = list(tf.data.TFRecordDataset(path).take(1400).as_numpy_iterator())
    with tf.io.TFRecordWriter(path) as writer:
        for record in kept:
            writer.write(record)
    with pytest.raises(
        RuntimeError, match=r"1400 records were read .* has 1527 there; its files are"
    ):
        run(tmp_path / "out", config)
