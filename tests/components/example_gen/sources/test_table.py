"""`data.table`: read as the same files in a folder, and every mistake named with its place."""

import csv
import json
import os
import random
import shlex
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.example_gen.config import DataConfig, SplitsConfig, TableConfig
from components.example_gen.sources import table_rows
from components.example_gen.sources.folder import open_folder
from components.example_gen.sources.slices import Run
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from components.example_gen.sources.table import open_table
from components.example_gen.sources.table_columns import find_columns
from components.example_gen.sources.table_file import read_table
from tests.components.example_gen.trees import write_classes, write_tree

LIMIT = 1000
COUNTS = {"owl": 20, "robin": 12, "wren": 8}


@pytest.fixture
def birds(tmp_path):
    """40 files in three classes."""
    return write_classes(tmp_path / "birds", COUNTS)


def rows_of(root):
    """(path below the root, class) of every file, in an order of no meaning."""
    rows = [(str(path.relative_to(root)), path.parent.name) for path in root.rglob("*.jpg")]
    random.Random(7).shuffle(rows)
    return rows


def write(path, names, rows):
    """Writes a table of the kind that its name says, by the usual library."""
    path = Path(path)
    if path.suffix == ".parquet":
        columns = [list(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path, row_group_size=7)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(dict(zip(names, r, strict=True)))}\n" for r in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([names, *rows])
    return str(path)


def config(path, **more):
    return DataConfig(table=TableConfig(path=str(path), **more))


def records(source, split):
    shards = [shard for shard in source.shards if shard.split == split]
    return [stored.record for shard in shards for stored in shard.records()]


def refusal(path, **more):
    with pytest.raises(UserError) as error:
        open_table(TableConfig(path=str(path), **more), LIMIT)
    return str(error.value)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("place", ["inside", "beside", "elsewhere"])
def test_a_table_gives_what_its_files_give_as_a_folder(tmp_path, birds, kind, place):
    folder = open_source(DataConfig(folder=str(birds)))
    (tmp_path / "other").mkdir()
    at = {"inside": birds, "beside": tmp_path, "elsewhere": tmp_path / "other"}[place]
    before = {"inside": "", "beside": "birds/", "elsewhere": f"{birds}/"}[place]
    rows = [(before + name, label) for name, label in rows_of(birds)]
    table = open_source(config(write(at / f"labels.{kind}", ("image", "label"), rows)))
    assert table.class_names == folder.class_names
    assert table.full_name == f"table/{at.name}/labels.{kind}"
    assert table.features == ("label",)
    for split in ("train", "eval"):
        assert records(table, split) == records(folder, split)
        shards = [[s.take for s in source.shards if s.split == split] for source in (folder, table)]
        assert shards[0] == shards[1]


def test_a_column_of_splits_gives_what_folders_of_splits_give(tmp_path):
    root = tmp_path / "birds"
    for split, count in (("train", 9), ("val", 4), ("test", 3)):
        write_classes(root / split, dict.fromkeys(("owl", "wren"), count))
    folder = open_source(DataConfig(folder=str(root)))
    rows = [(name, label, name.split("/")[0]) for name, label in rows_of(root)]
    table = open_source(config(write(root / "a.csv", ("path", "class", "Split"), rows)))
    assert table.slices == folder.slices == {"train": "train", "eval": "val", "test": "test"}
    for split in table.slices:
        assert records(table, split) == records(folder, split)


@pytest.mark.parametrize("shape", ["bytes", "struct", "no path"])
def test_images_in_parquet_are_read_as_files_are(tmp_path, birds, shape):
    rows = rows_of(birds)
    images = [(birds / name).read_bytes() for name, _ in rows]
    if shape != "bytes":
        paths = [os.path.basename(name) if shape == "struct" else None for name, _ in rows]
        pairs = zip(images, paths, strict=True)
        images = [{"bytes": image, "path": path} for image, path in pairs]
    labels = [label for _, label in rows]
    path = write(tmp_path / "b.parquet", ("image", "label"), list(zip(images, labels, strict=True)))
    found = open_source(config(path))
    folder = open_source(DataConfig(folder=str(birds)))
    ours, theirs = (records(s, "train") + records(s, "eval") for s in (found, folder))
    assert sorted(ours) == sorted(theirs)
    if shape == "struct":
        assert [records(found, "train"), records(found, "eval")] == [theirs[:34], theirs[34:]]
    sources = [s.source for shard in found.shards for s in shard.records()]
    assert sorted(sources) == sorted(f"b.parquet#{row}" for row in range(40))
    # In the order of a hash: each slice has its share of every class, whatever the table's order.
    assert len({parsed(r).features.feature["label"].int64_list.value[0] for r in ours[34:]}) == 3


def test_hugging_faces_structs_without_bytes_are_paths(tmp_path, birds):
    rows = rows_of(birds)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": f"birds/{name}"} for name, _ in rows], kind)
    table = pa.table({"image": images, "label": [label for _, label in rows]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=9)
    found = open_source(config(tmp_path / "t.parquet"))
    folder = open_source(DataConfig(folder=str(birds)))
    assert records(found, "train") == records(folder, "train")


def test_images_in_large_tables_are_in_the_order_of_their_rows(tmp_path, birds, monkeypatch):
    monkeypatch.setattr(table_rows, "SHUFFLED_BYTES", 10)
    rows = [((birds / name).read_bytes(), label) for name, label in rows_of(birds)]
    source = open_source(config(write(tmp_path / "b.parquet", ("image", "label"), rows)))
    images = [
        parsed(record).features.feature["image"].bytes_list.value[0]
        for split in ("train", "eval")
        for record in records(source, split)
    ]
    assert images == [image for image, _ in rows]
    assert any("in the order of its rows" in note for note in source.notes)


def test_a_bad_row_of_parquet_costs_itself(tmp_path):
    images = [b"a" * 2000, None, b"c", b""]
    path = write(tmp_path / "b.parquet", ("image", "label"), list(zip(images, "aabb", strict=True)))
    data = open_table(TableConfig(path=path), LIMIT)
    (shard,) = data.shards("train", [Run("train", 0, 4)])
    found = {stored.source[-1]: stored for stored in shard.images()}
    assert (len(found["0"].image), found["0"].size_bytes) == (LIMIT + 1, 2000)
    assert [found[row].image for row in "123"] == [b"", b"c", b""]
    Path(path).write_bytes(Path(path).read_bytes()[:40])
    assert all(stored.error for stored in shard.images())


def hugging_face(table, names):
    """The table with the description that Hugging Face's `datasets` writes into a file."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    told = json.dumps({"info": {"features": features}})
    return table.replace_schema_metadata({"huggingface": told})


def test_hugging_faces_parquet_is_read_with_its_classes_and_splits(tmp_path):
    names = ["wren", "owl", "auk"]
    (tmp_path / "data").mkdir()
    for file, labels in (
        ("train-00000-of-00002", [0, 1]),
        ("train-00001-of-00002", [1, 0, 2]),
        ("test-00000-of-00001", [1, 2]),
    ):
        images = [{"bytes": f"{file} {n}".encode(), "path": f"{n}.png"} for n in range(len(labels))]
        table = pa.table({"image": images, "label": labels})
        pq.write_table(hugging_face(table, names), tmp_path / "data" / f"{file}.parquet")
    source = open_source(config(tmp_path / "data" / "*.parquet"))
    assert source.class_names == tuple(names)
    assert source.full_name == "table/data"
    assert source.slices == {"train": "train", "eval": "test"}
    found = {}
    for split in source.slices:
        for record in records(source, split):
            features = parsed(record).features.feature
            (image,), (label,) = (
                features["image"].bytes_list.value,
                features["label"].int64_list.value,
            )
            found[image.decode()] = label
    assert found == {
        **{"train-00000-of-00002 0": 0, "train-00000-of-00002 1": 1},
        **{"train-00001-of-00002 0": 1, "train-00001-of-00002 1": 0, "train-00001-of-00002 2": 2},
        **{"test-00000-of-00001 0": 1, "test-00000-of-00001 1": 2},
    }


def test_hugging_faces_metadata_beside_images_names_the_split_by_its_folder(tmp_path):
    for split, count in (("train", 6), ("validation", 2)):
        names = [f"{number}.jpg" for number in range(count)]
        write_tree(tmp_path / split, *names)
        rows = [(name, "ab"[number % 2]) for number, name in enumerate(names)]
        write(tmp_path / split / "metadata.csv", ("file_name", "label"), rows)
    source = open_source(config(tmp_path / "*" / "metadata.csv"))
    assert source.slices == {"train": "train", "eval": "validation"}
    assert (source.num_examples("train"), source.num_examples("eval")) == (6, 2)
    stored = [s for shard in source.shards if shard.split == "eval" for s in shard.records()]
    assert {s.source for s in stored} == {"validation/0.jpg", "validation/1.jpg"}
    assert not any(s.error for s in stored)


def test_further_columns_become_features_and_what_is_guessed_is_said(tmp_path, birds):
    rows = [(n, label, "left" if i % 3 else "", i) for i, (n, label) in enumerate(rows_of(birds))]
    path = write(birds / "t.csv", ("file_name", "class", "camera", "id"), rows)
    source = open_source(config(path, columns=("camera",)))
    assert source.features == ("label", "camera")
    by_source = {name: camera for name, _, camera, _ in rows}
    for shard in source.shards:
        for stored in shard.records():
            features = parsed(stored.record).features.feature
            assert sorted(features) == ["camera", "image", "label"]
            assert features["camera"].bytes_list.value[0].decode() == by_source[stored.source]
    guessed = f"{path}: images are in column file_name, classes in class; not used: id."
    assert source.notes[:2] == (guessed, "14 rows have no camera: they are a slice of their own.")
    named = open_source(config(path, image="file_name", label="class", columns=("camera",)))
    assert named.notes == source.notes[1:]
    assert named.fingerprint == source.fingerprint


def test_the_fingerprint_is_that_of_the_content(tmp_path, birds):
    rows = rows_of(birds)
    names = ("image", "label")

    def fingerprint(path, **more):
        return open_source(config(path, **more)).fingerprint

    first = fingerprint(write(birds / "a.csv", names, rows))
    same = [
        write(birds / "a.csv", names, rows[::-1]),
        write(birds / "b.jsonl", names, rows),
        write(birds / "c.parquet", names, rows),
        write(birds / "d.csv", ("label", "image"), [row[::-1] for row in rows]),
        write(birds / "e.csv", names, [(f"./{name}", f" {label} ") for name, label in rows]),
        write(birds / "f.csv", names, [*rows, rows[0]]),
    ]
    assert {fingerprint(path) for path in same} == {first}
    other = [
        write(birds / "g.csv", names, rows[1:]),
        write(birds / "h.csv", names, [(rows[0][0], "auk"), *rows[1:]]),
        write(birds / "i.csv", names, [(name, f"{label}s") for name, label in rows]),
    ]
    more = (*names, "camera")
    cameras = [[(*row, camera) for row in rows] for camera in ("left", "right")]
    found = [fingerprint(path) for path in other]
    found += [fingerprint(write(birds / "j.csv", more, of), columns=("camera",)) for of in cameras]
    os.utime(birds / rows[0][0], ns=(0, 1))
    found.append(fingerprint(birds / "a.csv"))
    assert len({first, *found}) == 1 + len(found)


def test_images_in_a_table_change_its_fingerprint(tmp_path):
    def fingerprint(images):
        path = write(
            tmp_path / "t.parquet", ("image", "label"), list(zip(images, "aabb", strict=True))
        )
        return open_table(TableConfig(path=path), LIMIT).fingerprint([])

    one = fingerprint([b"1", b"2", b"3", b"4"])
    os.utime(tmp_path / "t.parquet", ns=(0, 1))
    assert fingerprint([b"1", b"2", b"3", b"4"]) == one != fingerprint([b"1", b"2", b"3", b"5"])


def test_every_kind_of_wrong_row_is_named_with_its_lines(tmp_path):
    write_tree(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "sub/e.jpg", "../up.jpg")
    text = (
        "image,label,split\n"
        "a.jpg,owl,train\n"  # 2
        "\n"
        "b.jpg,owl,train\n"  # 4
        "a.jpg,wren,train\n"  # 5
        ",owl,train\n"  # 6
        "c.jpg, ,train\n"  # 7
        "d.jpg,owl,\n"  # 8
        "gone.jpg,owl,train\n"  # 9
        "../up.jpg,owl,train\n"  # 10
        "sub\\e.jpg,owl,train\n"  # 11
        "https://x.org/a.jpg,owl,train\n"  # 12
        "b.jpg,owl,test\n"  # 13
        "sub,owl,train\n"  # 14
    )
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert refusal(path).splitlines() == [
        f"data.table {path}:",
        "  1 row has no image (line 6): give its path, or remove the row",
        "  1 row has no class (line 7): give one, or remove the row",
        "  1 row has no split (line 8): give one, or remove the row",
        "  1 row names a path that leaves the table's folder (line 10: ../up.jpg): write it from "
        "the root, as /photos/a.jpg",
        "  1 row names an address that is not read (line 12: https://x.org/a.jpg): copy the file, "
        "and give its path or gs:// URI",
        "  2 rows name an image that has another class in another row (lines 2, 5): leave one of "
        "them",
        "  2 rows name an image that is in another split in another row (lines 4, 13): leave one "
        "of them",
        "  2 rows name a file that is not there (lines 9, 14: gone.jpg): copy it there, or remove "
        "the row",
        "  1 row names a file that is not there (line 11: sub\\e.jpg): write its path with / for "
        "\\",
    ]


def test_a_row_that_comes_again_counts_once_and_is_said(tmp_path):
    write_tree(tmp_path, "a.jpg", "b.jpg")
    rows = [("a.jpg", "x"), ("b.jpg", "y"), ("./a.jpg", "x"), (f"{tmp_path}/a.jpg", "x")]
    data = open_table(TableConfig(path=write(tmp_path / "t.csv", ("image", "label"), rows)), LIMIT)
    assert data.splits["train"].num_examples == 2
    assert "2 rows name an image again, with the same class: it counts once." in data.notes
    rows = [("a.jpg", "x", "1"), ("a.jpg", "x", "2")]
    path = write(tmp_path / "t.csv", ("image", "label", "camera"), rows)
    assert "other values in another row (lines 2, 3)" in refusal(path, columns=("camera",))


def test_many_places_are_counted_and_five_are_shown(tmp_path):
    rows = [(f"{number}.jpg", "x") for number in range(1500)]
    path = write(tmp_path / "t.parquet", ("image", "label"), rows)
    assert (
        "1,500 rows name a file that is not there (rows 1, 2, 3, 4, 5 and 1,495 more: 0.jpg)"
        in (refusal(path))
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no row"),
        (b"image,label\n", "has no row"),
        (b"image,label,label\na,b,c\n", "there are 2 columns 'label'. Rename all but one."),
        (b"image,label\na.jpg,b\nc.jpg\n", "line 3: 1 values, but the first line names 2 columns"),
        (b"image,label\na.jpg,b,c\n", "line 2: 3 values, but the first line names 2 columns"),
        (b'image,label\na.jpg,"b\n', "line 2: unexpected end of data"),
        (
            b"image,label\na.jpg,caf\xe9\n",
            "line 2: byte 0xe9 is not UTF-8. Save it as UTF-8: iconv",
        ),
        ("image,label\na.jpg,é\n".encode("utf-16"), "is in UTF-16. Save it as UTF-8: iconv"),
        (b"id,label\n1,b\n", "no column is called as one of images usually is; it has: id, label."),
        (b"a.jpg,label\nb.jpg,x\n", "The first line must name the columns: image,label."),
        (b"path,file,label\n1,2,b\n", "path and file may all hold the images. Say which: --set"),
        (b"image,species\na.jpg,x\n", "--set data.table.label=NAME"),
    ],
)
def test_a_csv_that_is_no_table_says_where_and_what_to_do(tmp_path, content, says):
    path = tmp_path / "my labels.csv"
    path.write_bytes(content)
    assert says in refusal(path)


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1252"])
def test_the_command_that_converts_a_table_works_as_typed(tmp_path, encoding):
    write_tree(tmp_path, "a.jpg", "b.jpg")
    path = tmp_path / "my labels.csv"
    path.write_bytes("image,label\na.jpg,café\nb.jpg,thé\n".encode(encoding))
    command = refusal(path).partition("UTF-8: ")[2]
    subprocess.run(command, shell=True, check=True)
    data = open_table(TableConfig(path=shlex.split(command)[-1]), LIMIT)
    assert data.class_names == ("café", "thé")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"image": "a.jpg", "label": "x"}\n{"image"\n', "line 2 is not JSON"),
        ("[1, 2]\n", "line 1 is not an object"),
        ('{"image": "a.jpg", "label": "x", "label": "y"}\n', "'label' is there twice"),
        ('\n{"image": "a.jpg", "label": ["x"]}\n', "column 'label', line 2: a list is not"),
        ('{"image": "a.jpg"}\n{"image": "a.jpg", "label": "x"}\n', "1 row has no class (line 1)"),
    ],
)
def test_a_jsonl_that_is_no_table_says_where_and_what_to_do(tmp_path, text, says):
    write_tree(tmp_path, "a.jpg")
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    assert says in refusal(path)


def test_a_parquet_that_is_no_table_says_so(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"no such thing")
    assert "is no Parquet file" in refusal(path)
    labels = hugging_face(pa.table({"image": [b"1", b"2"], "label": [0, 7]}), ["a", "b"])
    pq.write_table(labels, path)
    assert "column 'label', row 2: number 7 is none of its 2 classes" in refusal(path)


def test_files_that_are_no_tables_are_told_apart(tmp_path):
    write_tree(tmp_path, "t.xlsx", "data/train.csv", "empty/")
    ends = ".csv, .tsv, .jsonl, .ndjson, .parquet"
    assert refusal(tmp_path / "t.xlsx").endswith(f"a table's name ends in {ends}.")
    assert "no file matches" in refusal(tmp_path / "gone.csv")
    assert "is a folder; it holds train.csv. Give a file" in refusal(tmp_path / "data")
    assert "is a folder; it holds no table" in refusal(tmp_path / "empty")


def test_columns_that_are_not_there_or_have_two_uses(tmp_path):
    names = ("image", "label", "camera")

    def found(**more):
        with pytest.raises(UserError) as error:
            find_columns(names, TableConfig(path="t.csv", **more), "t.csv")
        return str(error.value)

    assert "data.table.label: t.csv has no column 'lable'; did you mean 'label'?" in found(
        label="lable"
    )
    assert "it has: image, label, camera." in found(split="fold")
    assert "data.table.columns: t.csv has no column 'camra'" in found(columns=("camra",))
    assert "one column has two uses" in found(label="camera", split="camera")
    assert "'label' is the name of a feature" in found(columns=("label",))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("\ufeffimage,label\na.jpg,x\n", ["x"]),
        ("image;label\na.jpg;x\nb.jpg;y, z\n", ["x", "y, z"]),
        ('image,label\r\n"a.jpg","x\n1"\r\nb.jpg,y\r\n', ["x\n1", "y"]),
        ('image,label\na.jpg,"say ""x"""\n', ['say "x"']),
        ("image\tlabel\na.jpg\tx\n", ["x"]),
    ],
)
def test_usual_forms_of_csv_are_read(tmp_path, text, labels):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    table = read_table(str(path))
    assert table.read("label") == labels
    assert table.place(len(labels) - 1) == (
        "line 4" if "\n1" in text else f"line {1 + len(labels)}"
    )


CELLS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_what_is_written_is_read_in_every_format(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    names = ("image", "label")
    expected = [label.strip() for _, label in rows]
    for kind in ("csv", "jsonl", "parquet"):
        assert read_table(write(folder / f"t.{kind}", names, rows)).read("label") == expected


def test_numbers_and_truth_values_are_classes_by_their_text(tmp_path):
    for values, texts in (
        ([1, 10, 2, None], ["1", "10", "2", ""]),
        ([1.0, 2.5, float("nan")], ["1", "2.5", ""]),
        ([True, False], ["true", "false"]),
    ):
        for kind in ("jsonl", "parquet"):
            rows = [("a.jpg", value) for value in values]
            found = read_table(write(tmp_path / f"t.{kind}", ("image", "label"), rows))
            assert found.read("label") == texts


def test_classes_that_may_be_one_are_said(tmp_path):
    write_tree(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    rows = [("a.jpg", "Owl"), ("b.jpg", "owl"), ("c.jpg", "cafe\u0301")]
    data = open_table(TableConfig(path=write(tmp_path / "t.csv", ("image", "label"), rows)), LIMIT)
    assert data.class_names == ("Owl", "café", "owl")
    assert "Classes that differ in case or spaces alone: 'Owl', 'owl'." in data.notes


def test_several_tables_that_do_not_go_together(tmp_path):
    write_tree(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path / "train.csv", ("image", "label"), [("a.jpg", "x")])
    write(tmp_path / "rest.csv", ("image", "label"), [("b.jpg", "y")])
    assert "rest.csv names no split, as" in refusal(tmp_path / "*.csv")
    write(tmp_path / "rest.csv", ("path", "label"), [("b.jpg", "y")])
    assert "have different columns" in refusal(tmp_path / "*.csv")


def test_weights_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="every image counts the same"):
        TableConfig(path="t.csv", weight="w")


def test_a_path_alone_is_a_table(tmp_path):
    assert DataConfig(table="t.csv").table == TableConfig(path="t.csv")


def test_the_same_split_by_percent_as_a_folders(tmp_path, birds):
    splits = SplitsConfig(train="train[:50%]", eval="train[50%:]")
    path = write(birds / "t.csv", ("image", "label"), rows_of(birds))
    table = open_source(DataConfig(table=path, splits=splits, examples_per_class=2))
    folder = open_source(DataConfig(folder=str(birds), splits=splits, examples_per_class=2))
    assert records(table, "eval") == records(folder, "eval")


def test_a_table_takes_about_as_long_as_a_folder(tmp_path):
    """In processor time, with a margin for a loaded machine."""
    for number in range(50):
        folder = tmp_path / "photos" / f"c{number}"
        folder.mkdir(parents=True)
        for file in range(100):
            (folder / f"{file}.jpg").touch()
    rows = [(f"photos/{name}", label) for name, label in rows_of(tmp_path / "photos")]
    path = write(tmp_path / "t.csv", ("image", "label"), rows)

    def seconds(function):
        begun = time.process_time()
        function()
        return time.process_time() - begun

    def fastest(function):
        return min(seconds(function) for _ in range(3))

    folder = fastest(lambda: open_folder(str(tmp_path / "photos"), LIMIT))
    table = fastest(lambda: open_table(TableConfig(path=path), LIMIT))
    assert table < 5 * folder
