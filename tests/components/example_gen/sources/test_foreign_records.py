"""tf.Examples that others wrote: labels of every kind, features of two kinds."""

import collections
import json

import pytest
import tensorflow as tf

from components.errors import UserError
from components.example_gen.config import ScreenConfig
from components.example_gen.counts import counts_of
from components.example_gen.index import read_index
from components.example_gen.screen.quarantine import read_quarantine
from components.example_gen.screening import screen_record
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from tests.components.example_gen.conftest import records, run
from tests.components.example_gen.sources.test_folder import photo, stored
from tests.components.example_gen.sources.test_tfrecord_file import write
from tests.components.example_gen.sources.test_tfrecords import data, example

IMAGE = photo(8, 8)
CLASSES = ("owl", "robin", "wren")


def of_label(*values, **more):
    return example(image=[IMAGE], label=list(values), **more)


def source_of(tmp_path, records, **keys):
    path = write(tmp_path / "train-0", records)
    return data(tmp_path, "train[:-2]", "train[-2:]", {"train": path}, **keys)


def verdicts(tmp_path, values, **keys):
    """The label, or the reason and the detail, that each value of a label comes to."""
    config = source_of(tmp_path, [*map(of_label, values), of_label(0), of_label(0)], **keys)
    found = [screen_record(one, ScreenConfig(), 3) for one in stored(open_source(config), "train")]
    return [getattr(one, "detail", None) or one.row.label for one in found]


def test_a_label_may_be_a_whole_float_or_a_number_as_text(tmp_path):
    assert verdicts(tmp_path, [2.0, b"1", b"wren", 0, b"007"])[:4] == [2, 1, 2, 0]


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (1.5, "label is float, and 1.5 is not the number of a class"),
        (float("nan"), "label is float, and nan is not the number of a class"),
        (float("inf"), "label is float, and inf is not the number of a class"),
        (b"1.0", "label '1.0' is none of data.tfrecords.class_names"),
        (b"-1", "label '-1' is none of data.tfrecords.class_names"),
    ],
)
def test_a_label_that_is_no_number_of_a_class_is_named(tmp_path, value, detail):
    assert verdicts(tmp_path, [value]) == [detail]


def test_a_name_that_is_a_number_is_a_name_first(tmp_path):
    keys = {"class_names": ("3", "2", "1")}
    assert verdicts(tmp_path, [b"1", b"3", b"0"], **keys)[:2] == [2, 0]


def test_labels_can_count_from_one(tmp_path):
    first = {"first_label": 1}
    found = verdicts(tmp_path, [1, 2, 3, 3.0, b"3", b"owl", 4, 0], **first)
    assert found[:6] == [0, 1, 2, 2, 2, 0]
    assert found[6:] == [f"label {n} is none of the 3 classes, which count from 1" for n in (4, 0)]
    config = source_of(tmp_path, [*map(of_label, [1, 3, 9]), of_label(1), of_label(1)], **first)
    assert list(open_source(config).shards[0].labels()) == [0, 2, -1]


@pytest.mark.parametrize("label", [-(2**63), 2**63 - 1])
@pytest.mark.parametrize("first", [1, -1, 2**62, -(2**62)])
def test_a_label_at_the_end_of_int64_is_set_aside_wherever_labels_begin(tmp_path, label, first):
    found = verdicts(tmp_path, [label], first_label=first)
    assert found == [f"label {label} is none of the 3 classes, which count from {first}"]


def test_where_labels_begin_is_part_of_the_fingerprint_and_zero_is_none(tmp_path):
    plain = open_source(source_of(tmp_path, [of_label(1)] * 5))
    shifted = open_source(source_of(tmp_path, [of_label(1)] * 5, first_label=1))
    assert plain.fingerprint != shifted.fingerprint


@pytest.mark.parametrize("how", [int, float, lambda number: b"%d" % number])
def test_labels_from_one_stop_the_step_with_the_key_that_mends_it(tmp_path, how):
    labels = [1, 2, 3] * 5
    config = source_of(tmp_path, [of_label(how(label)) for label in labels])
    with pytest.raises(UserError) as error:
        run(tmp_path / "out", config)
    text = str(error.value)
    assert "labels seem to count from 1: no record has label 0, and 5 have 3" in text
    assert "data.tfrecords.first_label=1" in text
    config = source_of(tmp_path, [of_label(how(label)) for label in labels], first_label=1)
    run(tmp_path / "again", config)
    rows = [read_index(str(tmp_path / "index-of-again"), split) for split in ("train", "eval")]
    found = collections.Counter(label for table in rows for label in table["label"].to_pylist())
    assert found == {0: 5, 1: 5, 2: 5}


def test_labels_from_one_are_said_by_a_draw_too(tmp_path):
    config = source_of(tmp_path, [of_label(1 + n % 3) for n in range(20)], examples_per_class=1)
    with pytest.raises(UserError, match=r"labels seem to count from 1.*first_label=1"):
        run(tmp_path / "out", config)


def test_labels_from_zero_are_said_where_one_is_configured(tmp_path):
    config = source_of(tmp_path, [of_label(n % 3) for n in range(15)], first_label=1)
    with pytest.raises(UserError, match=r"count from 0: 5 records .*Set .*first_label=0"):
        run(tmp_path / "out", config)


def test_one_label_that_is_too_large_among_others_is_set_aside_alone(tmp_path):
    labels = [0, 1, 2, 3, 0, 1, 2, 0]
    run(tmp_path / "out", source_of(tmp_path, [of_label(label) for label in labels]))
    (reject,) = read_quarantine(str(tmp_path / "quarantine-of-out"), "train")
    assert (reject.reason, reject.source) == ("label", "train-0#3")


def mixed():
    """20 records, of which number 4 and 17 have `size` as a float."""
    return [
        of_label(n % 3, size=[1.5] if n in (4, 17) else [n], tags=[b"x"] * (n % 4) or [b"y"])
        for n in range(20)
    ]


def test_records_with_a_feature_of_another_kind_are_set_aside_by_name(tmp_path, caplog):
    caplog.set_level("INFO")
    examples = run(tmp_path / "out", source_of(tmp_path, mixed()))
    counts = counts_of(examples)
    assert counts["train"].rejected == counts["eval"].rejected | {"malformed": 2}
    rejects = list(read_quarantine(str(tmp_path / "quarantine-of-out"), "train"))
    assert [(reject.source, reject.detail) for reject in rejects] == [
        (f"train-0#{number}", "feature 'size' is float; in most records it is int64")
        for number in (4, 17)
    ]
    assert "'size' is int64 in 18 records and float in 2, which are set aside (train-0#" in (
        caplog.text
    )
    written = records(tmp_path / "out", "train") + records(tmp_path / "out", "eval")
    assert written == [record for n, record in enumerate(mixed()) if n not in (4, 17)]
    names = sorted(path.name for path in (tmp_path / "out" / "Split-train").iterdir())
    assert len(names) == 1
    assert len(read_index(str(tmp_path / "index-of-out"), "train")) == 16


def test_what_is_left_is_what_tfdv_takes(tmp_path):
    """Of the records as they were it dies."""
    import tensorflow_data_validation as tfdv

    def statistics(serialized):
        path = str(tmp_path / "one.tfrecord")
        write(path, serialized)
        return tfdv.generate_statistics_from_tfrecord(path)

    with pytest.raises(Exception, match=r"(?i)type"):
        statistics(mixed())
    run(tmp_path / "out", source_of(tmp_path, mixed()))
    found = statistics(records(tmp_path / "out", "train"))
    assert {f.path.step[0] for f in found.datasets[0].features} == {
        "image",
        "label",
        "size",
        "tags",
    }


def test_an_empty_list_of_another_kind_counts_and_a_missing_feature_does_not(tmp_path):
    empty, kindless = parsed(of_label(0)), parsed(of_label(1))
    empty.features.feature["size"].float_list.SetInParent()
    kindless.features.feature["size"].SetInParent()
    odd = [empty.SerializeToString(), kindless.SerializeToString(), of_label(2)]
    config = source_of(tmp_path, [*odd, *(of_label(n % 3, size=[n]) for n in range(9))])
    run(tmp_path / "out", config)
    assert [r.source for r in read_quarantine(str(tmp_path / "quarantine-of-out"), "train")] == [
        "train-0#0"
    ]


def test_a_draw_takes_others_in_place_of_records_of_another_kind(tmp_path):
    config = source_of(tmp_path, mixed() * 3, examples_per_class=4)
    counts = counts_of(run(tmp_path / "out", config))
    assert counts["train"].kept == 12
    kinds = {
        parsed(record).features.feature["size"].WhichOneof("kind")
        for record in records(tmp_path / "out", "train")
    }
    assert kinds == {"int64_list"}


def test_an_image_that_is_no_bytes_is_named(tmp_path):
    odd = example(image=[1, 2, 3], label=[0])
    config = source_of(tmp_path, [odd, *(of_label(n % 3) for n in range(6))])
    run(tmp_path / "out", config)
    (reject,) = read_quarantine(str(tmp_path / "quarantine-of-out"), "train")
    assert (reject.reason, reject.source) == ("malformed", "train-0#0")
    assert reject.detail == "feature 'image' is int64; an encoded image is bytes"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"image_feature": "picture"}, "image_feature: 'picture' holds no image in the first 6"),
        ({"label_feature": "kind"}, "label_feature: 'kind' holds no label in the first 6"),
        ({"image_feature": "label"}, "image_feature: 'label' holds no image"),
    ],
)
def test_a_feature_that_no_record_has_is_named_with_those_that_are_there(tmp_path, keys, words):
    config = source_of(tmp_path, [of_label(1, size=[2.5])] * 6, **keys)
    with pytest.raises(UserError, match=words) as error:
        open_source(config)
    assert "their features are: image (bytes), label (int64), size (float)" in str(error.value)


def test_one_record_with_the_image_is_enough(tmp_path):
    config = source_of(tmp_path, [*[example(size=[1])] * 9, of_label(1), of_label(2)])
    assert open_source(config).num_examples("train") == 9


def test_a_validation_key_of_the_files_is_used_by_default(tmp_path):
    files = {
        name: write(tmp_path / name, [of_label(n % 3) for n in range(count)])
        for name, count in (("train", 9), ("validation", 4))
    }
    config = data(tmp_path, files=files, splits=None)
    source = open_source(config)
    assert source.slices == {"train": "train", "eval": "validation"}
    assert json.loads(config.model_dump_json())["splits"] is None
    files["test"] = write(tmp_path / "test", [example(image=[IMAGE], label=[-1])] * 5)
    source = open_source(data(tmp_path, files=files, splits=None))
    assert source.slices == {"train": "train", "eval": "validation"}
    assert any("test of" in note and "read by no split (5 images)" in note for note in source.notes)


def test_the_bytes_of_plain_records_stay_as_they_were(tmp_path):
    kept = [of_label(n % 3) for n in range(8)]
    run(tmp_path / "out", source_of(tmp_path, kept))
    assert records(tmp_path / "out", "train") + records(tmp_path / "out", "eval") == kept
    assert all(tf.train.Example.FromString(record) for record in kept)
