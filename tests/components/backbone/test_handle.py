"""Where backbones are found, and what is refused."""

import functools
import hashlib
import http.server
import io
import math
import os
import shutil
import subprocess
import tarfile
import threading
import time

import pytest
from pydantic import ValidationError

from components.backbone.architecture import BIT_MINI, PUBLISHED
from components.backbone.config import SHIPPED, SHIPPED_SHA256, BackboneConfig
from components.backbone.handle import find_backbone, load_backbone
from components.digests import digest_of_folder, digests_of_files
from components.errors import UserError
from components.storage import as_path, copy_tree
from pipeline.config import load_config, preset_names

URL = "https://tfhub.dev/google/bit/m-r50x1/1"


def test_the_shipped_backbone_is_found_by_name_and_has_the_digest_of_its_note():
    found = find_backbone(BackboneConfig(handle="bit-mini"))
    assert found.path == str(SHIPPED["bit-mini"])
    note = (SHIPPED["bit-mini"].parent / "PROVENANCE.md").read_text()
    assert found.sha256 in note


def test_a_directory_is_found(tiny_backbone):
    found = find_backbone(BackboneConfig(handle=str(tiny_backbone)))
    assert found.sha256 == digest_of_folder(tiny_backbone)


def test_the_digest_is_what_coreutils_prints(tiny_backbone):
    command = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.check_output(command, shell=True, cwd=tiny_backbone, text=True)
    assert printed.split()[0] == digest_of_folder(tiny_backbone)


def test_the_digest_sees_content_and_names(tmp_path):
    (tmp_path / "a").write_text("x")
    first = digest_of_folder(tmp_path)
    (tmp_path / "a").write_text("y")
    second = digest_of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest_of_folder(tmp_path)}) == 3


def test_a_hub_url_is_served_from_the_cache(tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    cached = tmp_path / hashlib.sha1(URL.encode()).hexdigest()
    shutil.copytree(tiny_backbone, cached)
    found = find_backbone(BackboneConfig(handle=URL))
    assert found.path == str(cached)
    assert load_backbone(found.path, "full").trainable_variables


def serve(folder):
    """A file server on this machine; what hub downloads is real, and no network is needed."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_a_url_is_downloaded_into_the_cache_past_the_lock_of_a_killed_run(
    tmp_path, tiny_backbone, monkeypatch
):
    (tmp_path / "site").mkdir()
    with tarfile.open(tmp_path / "site" / "bit", "w:gz") as archive:
        archive.add(tiny_backbone, arcname=".")
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache))
    server = serve(tmp_path / "site")
    handle = f"http://127.0.0.1:{server.server_port}/bit"
    name = hashlib.sha1(handle.encode()).hexdigest()
    (cache / f"{name}.lock").write_text("host.1234")
    started = time.monotonic()
    try:
        found = find_backbone(BackboneConfig(handle=handle))
    finally:
        server.shutdown()
        server.server_close()
    assert time.monotonic() - started < 20
    assert found.path == str(cache / name)
    assert found.sha256 == digest_of_folder(tiny_backbone)
    # From the cache now, and nothing is left over.
    assert find_backbone(BackboneConfig(handle=handle)) == found
    assert not list(cache.glob(".download-*"))
    assert os.environ["TFHUB_CACHE_DIR"] == str(cache)


def test_a_url_that_cannot_be_had_fails_at_once_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    started = time.monotonic()
    # The port of TCP's "discard" service on this machine: nothing listens.
    with pytest.raises(UserError, match=r"could not be downloaded.*local directory"):
        find_backbone(BackboneConfig(handle="http://127.0.0.1:9/nothing/1"))
    assert time.monotonic() - started < 10


def _archive(kind, content=b""):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("member")
        member.type, member.linkname, member.size = kind, "/etc/passwd", len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"<html>sign in</html>", "valid module", id="a page"),
        pytest.param(
            _archive(tarfile.REGTYPE, os.urandom(99_999))[:50_000], "", id="a cut archive"
        ),
        pytest.param(_archive(tarfile.SYMTYPE), "Unexpected object type", id="a link"),
        pytest.param(None, "404", id="nothing"),
    ],
)
def test_a_download_that_is_no_module_is_one_sentence(tmp_path, monkeypatch, content, words):
    if content is not None:
        (tmp_path / "bit").write_bytes(content)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    server = serve(tmp_path)
    handle = f"http://127.0.0.1:{server.server_port}/bit"
    try:
        with pytest.raises(UserError, match=rf"could not be downloaded \(.*{words}.*local dir"):
            find_backbone(BackboneConfig(handle=handle))
    finally:
        server.shutdown()
        server.server_close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_mistake_in_our_code_is_not_the_networks(tmp_path, tiny_backbone, monkeypatch):
    with tarfile.open(tmp_path / "bit", "w:gz") as archive:
        archive.add(tiny_backbone, arcname=".")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("components.backbone.hub.sync_tree", lambda: None)
    server = serve(tmp_path)
    try:
        with pytest.raises(TypeError, match="positional"):
            find_backbone(BackboneConfig(handle=f"http://127.0.0.1:{server.server_port}/bit"))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("handle", ["bit-maxi", "/nowhere/at/all"])
def test_what_is_not_there_is_named_with_the_choices(handle):
    with pytest.raises(UserError, match=rf"{handle}: there is no such directory.*bit-mini"):
        find_backbone(BackboneConfig(handle=handle))


def test_a_directory_without_a_saved_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no SavedModel \(saved_model.pb\)"):
        find_backbone(BackboneConfig(handle=str(tmp_path)))


def test_a_digest_is_checked(tiny_backbone):
    right = digest_of_folder(tiny_backbone)
    handle = str(tiny_backbone)
    assert find_backbone(BackboneConfig(handle=handle, sha256=right)).sha256 == right
    with pytest.raises(UserError, match="not the backbone that was configured"):
        find_backbone(BackboneConfig(handle=handle, sha256="0" * 64))


def test_every_file_is_checked_against_its_digest(tiny_backbone):
    handle = str(tiny_backbone)
    files = digests_of_files(tiny_backbone)
    found = find_backbone(BackboneConfig(handle=handle, sha256=files))
    assert found.sha256 == digest_of_folder(tiny_backbone)
    assert len(files) >= 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"saved_model.pb": "0" * 64}, r"saved_model\.pb has [0-9a-f]{64} and not 0{64}"),
        ({"saved_model.pb": None}, r"saved_model\.pb is not named"),
        ({"assets/names.txt": "0" * 64}, r"assets/names\.txt is missing"),
    ],
)
def test_a_changed_a_missing_and_an_extra_file_are_named(tiny_backbone, change, message):
    named = digests_of_files(tiny_backbone) | change
    config = BackboneConfig(
        handle=str(tiny_backbone), sha256={name: sha for name, sha in named.items() if sha}
    )
    with pytest.raises(UserError, match=rf"^backbone\.sha256: of the files in .*{message}"):
        find_backbone(config)


@pytest.mark.parametrize("sha256", ["abc", {}, {"saved_model.pb": "abc"}, 7, ["0" * 64]])
def test_what_is_no_digest_is_refused(sha256):
    with pytest.raises(ValidationError) as raised:
        BackboneConfig(handle="bit-mini", sha256=sha256)
    assert raised.value.error_count() == 1


@pytest.mark.parametrize(
    ("handle", "given", "licence"),
    [
        ("bit-mini", None, "Apache-2.0"),
        (URL, None, "Apache-2.0"),
        (URL, "MIT", "Apache-2.0"),
        ("https://tfhub.dev/other/model/1", None, ""),
        ("https://tfhub.dev/other/model/1", "MIT", "MIT"),
    ],
)
def test_the_licence_is_known_or_given(
    tmp_path, tiny_backbone, monkeypatch, handle, given, licence
):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    shutil.copytree(tiny_backbone, tmp_path / hashlib.sha1(handle.encode()).hexdigest())
    assert find_backbone(BackboneConfig(handle=handle, licence=given)).licence == licence


@pytest.mark.parametrize("name", [name for name in preset_names() if name != "digits"])
def test_the_presets_give_what_is_known(name):
    count = load_config(name).backbone.trainable_parameters
    assert count == PUBLISHED["R50x1"].parameter_count()


def test_the_shipped_backbone_is_checked_against_its_own_digest(tmp_path, monkeypatch):
    config = load_config("digits").backbone
    assert find_backbone(config).sha256 == SHIPPED_SHA256[config.handle]
    layer = load_backbone(find_backbone(config).path, "full")
    assert layer.architecture == BIT_MINI
    trained = sum(math.prod(variable.shape) for variable in layer.trainable_variables)
    assert trained == BIT_MINI.parameter_count()
    damaged = tmp_path / "bit-mini"
    shutil.copytree(SHIPPED[config.handle], damaged)
    with (damaged / "variables" / "variables.index").open("ab") as stream:
        stream.write(b"?")
    monkeypatch.setitem(SHIPPED, config.handle, damaged)
    with pytest.raises(UserError, match="not those that were shipped"):
        find_backbone(config)


def test_a_backbone_with_nothing_to_train_is_refused_in_full_mode(untrainable_backbone):
    with pytest.raises(UserError, match="no trainable variable"):
        load_backbone(str(untrainable_backbone), "full")
    assert load_backbone(str(untrainable_backbone), "head_only") is not None


def test_a_backbone_in_a_store_is_read_where_it_lies(store, tiny_backbone):
    handle = f"{store}/models/tiny"
    copy_tree(tiny_backbone, as_path(handle))
    sha256 = digest_of_folder(tiny_backbone)
    found = find_backbone(BackboneConfig(handle=handle, sha256=sha256))
    assert (found.path, found.sha256) == (handle, sha256)
    assert load_backbone(found.path, "full").trainable_variables


def test_a_store_without_the_backbone_is_named(store):
    with pytest.raises(UserError, match=rf"no SavedModel .saved_model.pb. in {store}/nothing"):
        find_backbone(BackboneConfig(handle=f"{store}/nothing"))


def test_a_url_is_downloaded_into_a_cache_in_a_store(tmp_path, tiny_backbone, store, monkeypatch):
    with tarfile.open(tmp_path / "bit", "w:gz") as archive:
        archive.add(tiny_backbone, arcname=".")
    monkeypatch.setenv("TFHUB_CACHE_DIR", f"{store}/hub")
    server = serve(tmp_path)
    handle = f"http://127.0.0.1:{server.server_port}/bit"
    try:
        found = find_backbone(BackboneConfig(handle=handle))
    finally:
        server.shutdown()
        server.server_close()
    assert found.path == f"{store}/hub/{hashlib.sha1(handle.encode()).hexdigest()}"
    # The server is gone: this is the cache.
    assert find_backbone(BackboneConfig(handle=handle)) == found
    assert load_backbone(found.path, "head_only") is not None
