"""Kaggle's models: spellings, kagglehub's cache, and its download from a server on this machine."""

import base64
import contextlib
import doctest
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from components.backbone import kaggle
from components.backbone.config import BackboneConfig
from components.backbone.handle import find_backbone
from components.backbone.kaggle import kaggle_handle
from components.digests import digest_of_folder
from components.errors import UserError
from pipeline.inputs.code import ROOT

HANDLE = "google/bit/tensorFlow2/m-r50x1/1"


@pytest.mark.parametrize(
    "spelling",
    [
        HANDLE,
        "google/bit/TensorFlow2/m-r50x1/1",
        f"https://www.kaggle.com/models/{HANDLE}",
        "https://kaggle.com/models/google/bit/TensorFlow2/m-r50x1/1/?tfhub-redirect=true",
        "https://www.kaggle.com/models/google/bit/frameworks/TensorFlow2/variations/m-r50x1/versions/1",
    ],
)
def test_every_spelling_is_one_model(spelling):
    assert kaggle_handle(spelling) == HANDLE


def test_the_example_in_the_docstring_runs():
    done = doctest.testmod(kaggle)
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize(
    "handle",
    [
        "bit-mini",
        "google/bit/tensorFlow2/m-r50x1",
        "google/bit/tensorFlow2/m-r50x1/0",
        "a/google/bit/tensorFlow2/m-r50x1/1",
        "https://tfhub.dev/google/bit/m-r50x1/1",
        "gs://google/bit/tensorFlow2/m-r50x1/1",
        "http://[",
    ],
)
def test_what_is_no_kaggle_model(handle):
    assert kaggle_handle(handle) is None


def test_a_framework_without_saved_models_is_refused():
    with pytest.raises(UserError, match=r"of pyTorch: give one of tensorFlow2"):
        find_backbone(BackboneConfig(handle="google/bit/pyTorch/m-r50x1/1"))


@pytest.mark.parametrize("path", ["models/google/bit", "datasets/google/bit"])
def test_a_url_of_no_one_version_is_refused(path):
    with pytest.raises(UserError, match="the URL of one version of one variation"):
        find_backbone(BackboneConfig(handle=f"https://www.kaggle.com/{path}"))


def test_a_local_directory_of_that_name_is_the_directory(tmp_path, tiny_backbone, monkeypatch):
    shutil.copytree(tiny_backbone, tmp_path / HANDLE)
    monkeypatch.chdir(tmp_path)
    found = find_backbone(BackboneConfig(handle=HANDLE, licence="MIT"))
    assert (found.path, found.licence) == (HANDLE, "MIT")


@pytest.mark.parametrize("handle", [HANDLE, f"https://www.kaggle.com/models/{HANDLE}"])
def test_kagglehubs_cache_is_used_where_it_is_whole(tmp_path, tiny_backbone, monkeypatch, handle):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    cached = tmp_path / "kaggle" / "models" / HANDLE
    shutil.copytree(tiny_backbone, cached)
    refuse_connections(monkeypatch)
    with pytest.raises(UserError, match="could not be downloaded"):
        find_backbone(BackboneConfig(handle=handle))
    cached.with_name("1.complete").touch()
    found = find_backbone(BackboneConfig(handle=handle))
    assert (found.path, found.licence) == (str(cached), "Apache-2.0")


def test_hubs_cache_is_used_under_the_url_or_the_handle(tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    url = f"https://www.kaggle.com/models/{HANDLE}"
    for handle in (HANDLE, url):
        cached = tmp_path / hashlib.sha1(handle.encode()).hexdigest()
        shutil.copytree(tiny_backbone, cached)
        assert find_backbone(BackboneConfig(handle=handle)).path == str(cached)


@pytest.mark.parametrize("cache", ["hub", "kagglehub"])
def test_a_cached_model_is_found_without_tensorflow_and_the_network(tmp_path, tiny_backbone, cache):
    if cache == "hub":
        shutil.copytree(tiny_backbone, tmp_path / "hub" / hashlib.sha1(HANDLE.encode()).hexdigest())
    else:
        cached = tmp_path / "models" / HANDLE
        shutil.copytree(tiny_backbone, cached)
        cached.with_name("1.complete").touch()
    code = (
        "import sys\n"
        "def refuse(event, _):\n"
        "    assert event not in ('socket.connect', 'socket.getaddrinfo'), event\n"
        "sys.addaudithook(refuse)\n"
        "from components.backbone.handle import find_backbone\n"
        "from components.backbone.config import BackboneConfig\n"
        f"find_backbone(BackboneConfig(handle={HANDLE!r}))\n"
        "assert 'tensorflow' not in sys.modules\n"
        f"assert ('kagglehub' in sys.modules) == ({cache!r} == 'kagglehub')\n"
    )
    places = {"KAGGLEHUB_CACHE": str(tmp_path), "TFHUB_CACHE_DIR": str(tmp_path / "hub")}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | places, check=True)


class Kaggle(http.server.BaseHTTPRequestHandler):
    """The two calls of Kaggle's API that a download makes; `folder` is the model."""

    folder = None
    asked = None
    damage = ""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path.rpartition("/")[2], request))
        if self.damage == "404":
            self.send_error(404)
            return
        if self.path.endswith("ListModelInstanceVersionFiles"):
            names = [p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*")]
            files = [{"name": name} for name in names if (self.folder / name).is_file()]
            self.answer(json.dumps({"files": files, "nextPageToken": ""}).encode(), "json")
        else:
            self.answer((self.folder / request["path"]).read_bytes(), "octet-stream")

    def answer(self, body, kind):
        digest = hashlib.md5(body + self.damage.encode()).digest()
        self.send_response(200)
        self.send_header("Content-Type", f"application/{kind}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-goog-hash", f"md5={base64.b64encode(digest).decode()}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Not into the test's output."""


def point_kagglehub_at(url, monkeypatch):
    from kagglesdk import kaggle_env

    monkeypatch.delenv("KAGGLE_API_ENVIRONMENT", raising=False)
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, url)
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)


def refuse_connections(monkeypatch):
    # The port of TCP's "discard" service on this machine: nothing listens.
    point_kagglehub_at("http://127.0.0.1:9", monkeypatch)


@pytest.fixture
def served(tmp_path, tiny_backbone, monkeypatch):
    """Starts a server that has the model, and points kagglehub at it; caches are empty."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))

    @contextlib.contextmanager
    def serve(damage=""):
        handler = type(
            "Handler", (Kaggle,), {"folder": tiny_backbone, "asked": [], "damage": damage}
        )
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        point_kagglehub_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        try:
            yield handler
        finally:
            server.shutdown()
            server.server_close()

    return serve


def test_a_model_is_downloaded_by_kagglehub_into_hubs_cache(tmp_path, tiny_backbone, served):
    with served() as handler:
        found = find_backbone(BackboneConfig(handle=HANDLE))
    _, request = handler.asked[0]
    assert (request["ownerSlug"], request["modelSlug"]) == ("google", "bit")
    assert (request["instanceSlug"], request["versionNumber"]) == ("m-r50x1", 1)
    assert found.sha256 == digest_of_folder(tiny_backbone)
    assert found.path == str(tmp_path / "hub" / hashlib.sha1(HANDLE.encode()).hexdigest())
    # The server is gone: these are the cache. Nothing is left over.
    assert find_backbone(BackboneConfig(handle=HANDLE)) == found
    url = f"https://www.kaggle.com/models/{HANDLE}"
    assert find_backbone(BackboneConfig(handle=url)).path == found.path
    assert not list((tmp_path / "hub").glob(".download-*"))
    assert not (tmp_path / "kaggle").exists()


@pytest.mark.parametrize(("damage", "words"), [("404", "404"), ("x", "checksum")])
def test_a_download_that_fails_is_one_sentence_and_leaves_nothing(tmp_path, served, damage, words):
    with served(damage), pytest.raises(UserError) as refused:
        find_backbone(BackboneConfig(handle=HANDLE))
    assert f"{HANDLE} could not be downloaded (" in str(refused.value)
    assert words in str(refused.value).lower()
    assert not list((tmp_path / "hub").iterdir())


def test_a_mistake_in_our_code_is_not_the_networks(tmp_path, served, monkeypatch):
    monkeypatch.setattr("components.backbone.kaggle._check_answers", lambda: None)
    with served(), pytest.raises(TypeError, match="positional"):
        find_backbone(BackboneConfig(handle=HANDLE))


def test_without_a_network_it_fails_at_once_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    refuse_connections(monkeypatch)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"m-r50x1/1 could not be downloaded.*local directory"):
        find_backbone(BackboneConfig(handle=HANDLE))
    assert time.monotonic() - started < 10
