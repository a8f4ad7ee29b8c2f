"""Every way to name images is listed in one order, and what is not read is said."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import UserError
from components.scoring.images import open_images
from components.scoring.settings import ScoreSettings
from components.storage import as_path


def settings(images, **given):
    return ScoreSettings(model="m", images=str(images), output="/out/p.parquet", **given)


def names(images, **given):
    found = open_images(settings(images, **given))
    return [stored.source for shard in found.shards for stored in shard.images()]


def contents(images, **given):
    found = open_images(settings(images, **given))
    return [stored.image for shard in found.shards for stored in shard.images()]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a/2.png", "a/10.png", "a/deep/er/x.gif", "B.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


IN_ORDER = ["B.jpg", "a/10.png", "a/2.png", "a/deep/er/x.gif", "b.jpg"]


def test_a_folder_is_read_at_any_depth_in_the_order_of_names(photos):
    assert names(photos) == IN_ORDER
    assert contents(photos) == [name.encode() for name in IN_ORDER]
    assert names(f"{photos}/a") == ["10.png", "2.png", "deep/er/x.gif"]


def test_the_cut_into_shards_changes_no_order(photos):
    images = open_images(settings(photos, batch_size=1))
    assert images.count == len(IN_ORDER)
    for number in range(40):
        (photos / f"c{number:02d}.jpg").touch()
    images = open_images(settings(photos, batch_size=1))
    assert len(images.shards) == 3
    assert names(photos, batch_size=1) == sorted(names(photos))


def test_what_is_no_image_is_not_read_and_said(photos):
    for name in ("README.md", "labels.csv", ".hidden", "a/Thumbs.db"):
        (photos / name).touch()
    images = open_images(settings(photos))
    assert images.count == len(IN_ORDER)
    assert images.notes == (
        f"Not read in {photos}: 2 hidden or system files (.hidden, a/Thumbs.db).",
        f"Not read in {photos}: 2 files that are no images (README.md, labels.csv).",
    )


def test_links_are_followed_once(photos):
    (photos / "loop").symlink_to(photos)
    (photos / "link.jpg").symlink_to(photos / "b.jpg")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    assert set(names(photos)) == {*IN_ORDER, "link.jpg", "gone.jpg"}
    (gone,) = [
        stored
        for shard in open_images(settings(photos)).shards
        for stored in shard.images()
        if stored.source == "gone.jpg"
    ]
    assert gone.error == "No such file or directory"


def test_the_tables_themselves_are_not_scored(photos):
    own = settings(photos).model_copy(update={"output": f"{photos}/p.out"})
    (photos / "p.out").touch()
    (photos / "p.rejects.out").touch()
    assert open_images(own).count == len(IN_ORDER)


def test_a_pattern(photos, monkeypatch):
    assert names(f"{photos}/*.jpg") == ["B.jpg", "b.jpg"]
    assert names(f"{photos}/**/*.png") == ["a/10.png", "a/2.png"]
    assert names(f"{photos}/*/*.png") == ["a/10.png", "a/2.png"]
    monkeypatch.chdir(photos)
    assert names("a/*") == ["10.png", "2.png"]
    assert names("*.jpg") == ["B.jpg", "b.jpg"]
    assert names("b.jpg") == ["b.jpg"]
    (photos / "d[1].jpg").touch()
    assert names("d[1].jpg") == ["d[1].jpg"]


def test_tables(photos):
    rows = ["b.jpg", "a/2.png", str(photos / "B.jpg"), "nowhere.jpg", "b.jpg"]
    (photos / "t.csv").write_text(
        "\ufeffid,Path\n" + "".join(f'{number},"{row}"\n' for number, row in enumerate(rows)),
        encoding="utf-8",
    )
    (photos / "t.tsv").write_text("picture\tid\n" + "".join(f"{row}\t1\n" for row in rows))
    pq.write_table(pa.table({"image": rows, "path": rows}), photos / "t.parquet")
    ordered = sorted(set(rows))
    for name, column in (("t.csv", None), ("t.tsv", "picture"), ("t.parquet", "path")):
        assert names(photos / name, column=column) == ordered
        (note,) = open_images(settings(photos / name, column=column)).notes
        assert note == f"1 rows of {photos / name} name a file again; it is scored once."
    assert contents(photos / "t.csv") == [b"B.jpg", b"a/2.png", b"b.jpg", b""]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"id,where\n1,a.jpg\n", "no one column of paths by a usual name, but id, where"),
        ("t.csv", b"path,file\na,b\n", "Name it: --column NAME."),
        ("t.csv", b"", "but nothing"),
        ("t.csv", b"path\n\xff\xfe\n", "no table in UTF-8"),
        ("t.csv", b'path\n"a', "no table in UTF-8"),
        ("t.csv", b"path,id\na.jpg,1\n,2\n", "row 2 has no path"),
        ("t.csv", b"id,path\n1,a.jpg\n2\n", "row 2 has no path"),
        ("t.csv", b"path\n", "holds no image"),
        ("t.parquet", b"PAR1", "is no Parquet file"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        open_images(settings(tmp_path / name))


def test_what_names_no_image(tmp_path):
    with pytest.raises(UserError, match="there is no such file or folder"):
        open_images(settings(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="holds no image"):
        open_images(settings(tmp_path))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"holds no image. Not read in .*notes.txt"):
        open_images(settings(tmp_path))
    with pytest.raises(UserError, match=r"--images: no file matches .*\*.jpg"):
        open_images(settings(tmp_path / "*.jpg"))
    with pytest.raises(UserError, match=r"nowhere.csv cannot be read: No such file"):
        open_images(settings(tmp_path / "nowhere.csv"))
    with pytest.raises(UserError, match="--column goes with a table"):
        open_images(settings(tmp_path, column="path"))
    with pytest.raises(UserError, match="--split and --data-dir go with --images tfds:NAME"):
        open_images(settings(tmp_path, split="train"))


def test_a_data_set_of_tfds(tfds_dir):
    given = {"data_dir": str(tfds_dir)}
    assert open_images(settings("tfds:digits", **given)).count == 1797
    cut = names("tfds:digits", split="train[10:13]", **given)
    assert cut == [f"digits-train.tfrecord-00000-of-00001#{place}" for place in (10, 11, 12)]
    images = contents("tfds:digits", split="train[10:13]", **given)
    assert all(image.startswith(b"\x89PNG") for image in images)


@pytest.mark.parametrize(
    ("name", "split", "words"),
    [
        ("tfds:", "all", "give the name of a data set, such as tfds:digits"),
        ("tfds:digtis", "all", r"tfds has no data set digtis; did you mean .*digits"),
        ("tfds:digits", "test", "--split 'test': .* digits/1.0.0 has: train"),
        ("tfds:digits", "train[:0]", "selects no image"),
    ],
)
def test_a_data_set_that_is_not_there(tfds_dir, name, split, words):
    with pytest.raises(UserError, match=words):
        open_images(settings(name, split=split, data_dir=str(tfds_dir)))


def test_the_fingerprint_is_of_names_and_content(photos):
    def fingerprint():
        return open_images(settings(photos)).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    (photos / "b.jpg").write_bytes(b"another")
    changed = fingerprint()
    os.rename(photos / "b.jpg", photos / "c.jpg")
    assert len({first, changed, fingerprint()}) == 3


def test_images_in_an_object_store(store):
    for name in ("b.jpg", "a/1.png", "t.txt"):
        path = as_path(f"{store}/photos/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert names(f"{store}/photos") == ["a/1.png", "b.jpg"]
    assert contents(f"{store}/photos") == [b"a/1.png", b"b.jpg"]
    assert names(f"{store}/photos/*/*.png") == ["a/1.png"]
    assert contents(f"{store}/photos/*.jpg") == [b"b.jpg"]
    as_path(f"{store}/photos/t.csv").write_text(f"path\na/1.png\n{store}/photos/b.jpg\n")
    assert contents(f"{store}/photos/t.csv") == [b"a/1.png", b"b.jpg"]
    first = open_images(settings(f"{store}/photos")).fingerprint
    as_path(f"{store}/photos/b.jpg").write_text("changed")
    assert open_images(settings(f"{store}/photos")).fingerprint != first
