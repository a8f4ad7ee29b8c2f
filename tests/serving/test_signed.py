"""A server with a key: what was signed answers, whatever else is in the folder."""

import shutil

import pytest

from components.pusher.signature import make_keys, sign
from components.pusher.versions import CARD_JSON, SIGNATURE, add_version
from components.storage import as_path
from serving.admission import NotAdmittedError, signed_by
from tests.command import bit_tfx
from tests.serving.server import Server, free_ports


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


def text_model(folder):
    folder.mkdir()
    (folder / "saved_model.pb").write_text("graph")
    return folder


def card(version):
    return {CARD_JSON: b'{"model": {"version": %s}}' % version.name.encode()}


def reason(key, folder):
    """Why it is not admitted; "" where it is."""
    try:
        with signed_by(key)(folder) as admitted:
            assert admitted.name == folder.name
            assert (admitted / "saved_model.pb").read_text() == "graph"
        return ""
    except NotAdmittedError as error:
        return str(error)


def test_a_version_is_admitted_by_its_signature_and_its_number(tmp_path, keys):
    model, serving = text_model(tmp_path / "model"), tmp_path / "serving"
    private, public = keys
    signed = add_version(model, serving, 1, extras=card, sign=lambda it: sign(it, private))
    unsigned = add_version(model, serving, 2, extras=card)
    again = shutil.copytree(signed, serving / "3")
    assert reason(public, signed) == ""
    assert reason(public, unsigned) == "it is not signed: it has no model.sig"
    assert reason(public, again) == "its folder is 3, and its card says version 1"
    (signed / "saved_model.pb").write_text("other")
    assert reason(public, signed) == "saved_model.pb is not the file that was signed"


def test_a_version_in_an_object_store_is_admitted_as_a_copy(tmp_path, keys, store):
    model, serving = text_model(tmp_path / "model"), as_path(f"{store}/signed")
    private, public = keys
    signed = add_version(model, serving, 1, extras=card, sign=lambda it: sign(it, private))
    assert reason(public, signed) == ""
    (signed / SIGNATURE).unlink()
    assert reason(public, signed) == "it is not signed: it has no model.sig"


@pytest.mark.slow
def test_a_server_with_a_key_follows_signed_versions_alone(models, images, answers, tmp_path, keys):
    from tests.serving.models import push

    serving, (private, public) = tmp_path / "serving", keys
    other, _ = make_keys(tmp_path)
    good = push(models[0], serving, now=100, key=private)
    push(models[1], serving, now=200)
    push(models[1], serving, now=300, key=other)
    shutil.copytree(serving / str(good), serving / "400")
    server = Server(serving, "--key", public)
    try:
        assert server.ask("/model")["version"] == str(good)
        said = "".join(server.lines)
        assert "version 200: it is not signed: it has no model.sig" in said
        assert "version 300: it is signed with another key" in said
        assert f"version 400: its folder is 400, and its card says version {good}" in said
        number = push(models[2], serving, now=500, key=private)
        server.wait_for(f"version {number} answers now")
    finally:
        assert server.end() == 0


@pytest.mark.slow
def test_what_is_no_public_key_is_a_mistake(models, keys, tmp_path):
    (tmp_path / "serving" / "1").mkdir(parents=True)
    rest, grpc = map(str, free_ports())
    ports = ("--port", rest, "--grpc-port", grpc)
    for path, sentence in ((keys[0], "is not the public key"), (tmp_path / "no", "cannot be read")):
        ran = bit_tfx("serve", tmp_path / "serving", *ports, "--key", path)
        assert ran.returncode == 2
        assert sentence in ran.stderr
