"""Classes and splits that differ in how their images are shown."""

import pyarrow as pa
import pyarrow.parquet as pq

from components.data_gate.looks import looks, looks_of_splits
from components.example_gen.index import read_index, schema
from tests.components.data_gate.indexes import row, table, write_index

WHITE = "#ffffff"
NAMES = ("ant", "bee", "cow")


def rows(label, number, transparent=0, turned=0, colour=None, name="x"):
    """So many rows of a class, the first of them transparent and turned."""
    return [
        row(f"{name}/{label}/{place}", label)._replace(
            transparent=0.3 if place < transparent else 0.0,
            orientation=6 if place < turned else 1,
            colour=colour,
        )
        for place in range(number)
    ]


def checks_of(splits, background=WHITE, action="report"):
    tables = {split: table(of_split) for split, of_split in splits.items()}
    return list(looks(looks_of_splits(tables, background), NAMES, action))


def found(checks):
    return {check.subject: check for check in checks if not check.passed}


def test_what_is_followed_is_counted_and_alike_classes_pass():
    train = rows(0, 100, 40, 3) + rows(1, 50, 18, 2)
    (first, second) = checks_of({"train": train, "eval": rows(0, 20, 9)})
    assert first.sentence == (
        "of the 150 images of the train split 58 are transparent in part and 5 have an orientation "
        "that is followed"
    )
    assert second.sentence.startswith("of the 20 images of the eval split 9 are transparent")
    assert first.passed
    assert second.passed


def test_a_class_that_differs_is_named_with_its_numbers():
    train = rows(0, 100, 99) + rows(1, 200, 2) + rows(2, 100, 1)
    (check,) = found(checks_of({"train": train})).values()
    assert check.subject == "train split, transparency"
    assert check.sentence == (
        "class 'ant' differs in transparency: 99 % of 100 images of it in the train split are "
        "transparent in part, and 1 % of 300 images of the other classes; 2 more classes are far "
        "apart; a network can learn that alone (data_gate.looks: report)"
    )
    assert not check.refuses
    (check,) = found(checks_of({"train": train}, action="stop")).values()
    assert check.refuses


def test_orientation_is_another_property():
    train = rows(0, 100, turned=90) + rows(1, 100)
    assert list(found(checks_of({"train": train}))) == ["train split, orientation"]


def test_few_images_differ_by_chance():
    assert not found(checks_of({"train": rows(0, 4, 2) + rows(1, 200, 40)}))
    assert not found(checks_of({"train": rows(0, 1000, 150) + rows(1, 1000)}))


def test_a_split_that_differs_from_train():
    splits = {"train": rows(0, 100, 90), "eval": rows(0, 60, 0)}
    checks = found(checks_of(splits))
    assert list(checks) == ["eval split, transparency"]
    assert "0 % of 60 images of it" in checks["eval split, transparency"].sentence


def test_images_of_one_colour_are_counted_on_the_background():
    alpha_only = rows(0, 2, transparent=2, colour="#000000", name="logo")
    nothing = rows(1, 1, transparent=1, colour="", name="empty")
    opaque = rows(1, 1, colour="#0000ff", name="blue")
    train = [*rows(2, 30), *alpha_only, *nothing, *opaque]
    (check,) = found(checks_of({"train": train})).values()
    assert check.subject == "train split, one colour"
    assert check.sentence == (
        "2 of the 34 images of the train split are of one colour: empty/1/0, blue/1/0"
    )
    (check,) = found(checks_of({"train": train}, background="#000000")).values()
    assert check.value == 4
    assert check.sentence.endswith("logo/0/0, logo/0/1, empty/1/0, ...")
    (check,) = found(checks_of({"train": train}, action="stop")).values()
    assert not check.refuses


def test_an_index_of_an_earlier_version_is_read_and_says_nothing(tmp_path):
    write_index(tmp_path, {"train": rows(0, 3)})
    old = pa.schema(list(schema())[:8])
    for path in (tmp_path / "Split-train").iterdir():
        pq.write_table(pq.read_table(path).select(old.names), path)
    read = read_index(str(tmp_path), "train")
    assert read.schema.names == schema().names
    assert read["orientation"].null_count == 3
    assert looks_of_splits({"train": read}, WHITE) == {}
