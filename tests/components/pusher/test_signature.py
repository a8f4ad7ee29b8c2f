"""Signatures, checked by the official command and by openssl, and spoiled in every way."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserError
from components.pusher.signature import (
    PASSWORD,
    check_private_key,
    check_public_key,
    fault_of,
    make_keys,
    number_fault_of,
    sign,
)
from components.pusher.versions import (
    CARD_JSON,
    SIGNATURE,
    add_version,
    model_digest,
    versions,
)
from components.storage import as_path
from tests import ram

OPENSSL = shutil.which("openssl")


def openssl(*arguments):
    return subprocess.run([OPENSSL, *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def version(tmp_path, keys):
    """A signed version with a card, as the Pusher adds it."""
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_text("graph")
    (model / "variables" / "data").write_bytes(bytes(range(256)) * 10_000)
    found = add_version(
        model,
        tmp_path / "serving",
        now=1764497700,
        extras=lambda folder: {CARD_JSON: b"the card of " + folder.name.encode()},
        sign=lambda folder: sign(folder, keys[0]),
    )
    assert model_digest(found) == model_digest(model)
    return found


def official(version, public):
    """`model_signing verify key`, as its documents say."""
    arguments = [str(version), "--signature", str(version / SIGNATURE), "--public_key", public]
    command = [sys.executable, "-W", "ignore", "-m", "model_signing", "verify", "key", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_official_command_accepts_it_and_the_statement_has_every_file(version, keys):
    assert fault_of(version, keys[1]) == ""
    assert official(version, keys[1]).returncode == 0
    envelope = json.loads((version / SIGNATURE).read_text())["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["subject"][0]["name"] == "1764497700"
    stated = {each["name"] for each in statement["predicate"]["resources"]}
    assert stated == {"saved_model.pb", "variables/data", CARD_JSON}


@pytest.mark.skipif(not OPENSSL, reason="needs openssl: apt install openssl")
def test_openssl_finds_the_signature_over_the_envelope(version, keys, tmp_path):
    """DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md)."""
    envelope = json.loads((version / SIGNATURE).read_text())["dsseEnvelope"]
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    verify = ("dgst", "-sha256", "-verify", keys[1], "-signature", tmp_path / "sig")
    assert openssl(*verify, tmp_path / "signed").stdout == b"Verified OK\n"


def test_a_signed_version_can_be_copied_and_renamed(version, keys, tmp_path):
    moved = shutil.copytree(version, tmp_path / "elsewhere")
    assert fault_of(moved, keys[1]) == ""
    assert official(moved, keys[1]).returncode == 0


def changed(version):
    (version / "saved_model.pb").write_text("grapH")


def cut(version):
    (version / "variables" / "data").write_bytes(b"")


def added(version):
    (version / "assets.extra" / "more.txt").write_text("x")


def hidden(version):
    (version / ".git").mkdir()
    (version / ".git" / "config").write_text("x")


def removed(version):
    (version / "variables" / "data").unlink()


def renamed(version):
    (version / "variables" / "data").rename(version / "variables" / "other")


def linked(version):
    (version / "link").symlink_to("/etc/passwd")


def unsigned(version):
    (version / SIGNATURE).unlink()


def empty(version):
    (version / SIGNATURE).write_text("")


def garbage(version):
    (version / SIGNATURE).write_bytes(b"\xff\x00{")


def other_json(version):
    (version / SIGNATURE).write_text('{"mediaType": "x"}')


def edited_statement(version):
    """The digest of a changed file, put into the statement without the key."""
    bundle = json.loads((version / SIGNATURE).read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload["predicate"]["serialization"]["ignore_paths"].append("saved_model.pb")
    text = base64.b64encode(json.dumps(payload).encode()).decode()
    bundle["dsseEnvelope"]["payload"] = text
    (version / SIGNATURE).write_text(json.dumps(bundle))
    changed(version)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (changed, "saved_model.pb is not the file that was signed"),
        (cut, "variables/data is not the file that was signed"),
        (added, "assets.extra/more.txt was not signed"),
        (hidden, ".git/config was not signed"),
        (removed, "variables/data is gone"),
        (renamed, "variables/data is gone; variables/other was not signed"),
        (linked, "it holds a symbolic link"),
        (unsigned, "it is not signed: it has no model.sig"),
        (empty, "its model.sig is not a signature of a model: JSONDecodeError"),
        (garbage, "its model.sig is not a signature of a model: UnicodeDecodeError"),
        (other_json, "its model.sig is not a signature of a model: KeyError"),
        (edited_statement, "it is signed with another key"),
    ],
)
def test_what_was_not_signed_has_a_reason(version, keys, spoil, reason):
    spoil(version)
    assert fault_of(version, keys[1]).startswith(reason)
    if spoil is not hidden:  # The official command leaves .git out unless it is asked not to.
        assert official(version, keys[1]).returncode != 0


def test_the_key_of_somebody_else_is_another_key(version, tmp_path):
    _, public = make_keys(tmp_path)
    assert fault_of(version, public) == "it is signed with another key"


@pytest.mark.skipif(not OPENSSL, reason="needs openssl: apt install openssl")
@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_keys_of_openssl_sign(version, tmp_path, curve):
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", private)
    openssl("ec", "-in", private, "-pubout", "-out", public)
    check_private_key(str(private))
    check_public_key(str(public))
    sign(version, str(private))
    assert fault_of(version, str(public)) == ""
    assert official(version, str(public)).returncode == 0


@pytest.mark.skipif(not OPENSSL, reason="needs openssl: apt install openssl")
def test_an_encrypted_key_needs_its_password(version, keys, tmp_path, monkeypatch):
    private = str(tmp_path / "encrypted.pem")
    openssl("ec", "-in", keys[0], "-aes256", "-passout", "pass:secret", "-out", private)
    with pytest.raises(
        UserError, match=f"is encrypted: put its password in the variable {PASSWORD}"
    ):
        check_private_key(private)
    monkeypatch.setenv(PASSWORD, "wrong")
    with pytest.raises(UserError, match="is wrong, or the file is damaged"):
        check_private_key(private)
    monkeypatch.setenv(PASSWORD, "secret")
    check_private_key(private)
    sign(version, private)
    assert fault_of(version, keys[1]) == ""
    with pytest.raises(UserError, match="the key is not encrypted"):
        check_private_key(keys[0])


@pytest.mark.skipif(not OPENSSL, reason="needs openssl: apt install openssl")
def test_what_is_no_key_is_named(tmp_path, keys):
    openssl("ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", tmp_path / "k1.pem")
    openssl("genrsa", "-out", tmp_path / "rsa.pem", "2048")
    (tmp_path / "text.pem").write_text("x")
    for name in ("k1.pem", "rsa.pem"):
        with pytest.raises(UserError, match="it is not on one of the curves"):
            check_private_key(str(tmp_path / name))
    for path in (str(tmp_path / "text.pem"), keys[1]):
        with pytest.raises(UserError, match="not a private key in PEM: type `openssl ecparam"):
            check_private_key(path)
    for path in (str(tmp_path / "none.pem"), str(tmp_path)):
        with pytest.raises(UserError, match="cannot be read"):
            check_private_key(path)
        with pytest.raises(UserError, match=r"--key .* cannot be read"):
            check_public_key(path)
    with pytest.raises(UserError, match=r"not the public key of a key for push\.signing_key"):
        check_public_key(keys[0])


def test_a_push_that_cannot_sign_leaves_nothing(tmp_path, keys):
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("graph")
    with pytest.raises(FileNotFoundError):
        add_version(model, tmp_path / "serving", 1, sign=lambda it: sign(it, str(tmp_path / "no")))
    assert versions(tmp_path / "serving") == []
    assert list((tmp_path / "serving").iterdir()) == []


def test_a_version_in_an_object_store_has_the_same_signature(version, keys, monkeypatch, tmp_path):
    ram.take_ram_for_a_store(monkeypatch)
    target = add_version(
        as_path(str(tmp_path / "model")),
        as_path(f"{ram.URI}/signed"),
        now=1764497700,
        extras=lambda folder: {CARD_JSON: b"the card of " + folder.name.encode()},
        sign=lambda folder: sign(folder, keys[0]),
    )
    copy = Path(tmp_path, "copy")
    for name in ("saved_model.pb", "variables/data", CARD_JSON, SIGNATURE):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((target / name).read_bytes())
    assert fault_of(copy, keys[1]) == ""


def test_a_version_under_another_number_is_found_though_its_signature_holds(version, tmp_path):
    text = json.dumps({"model": {"version": int(version.name)}})
    (version / CARD_JSON).write_text(text, encoding="utf-8")
    assert number_fault_of(version) == ""
    above = shutil.copytree(version, tmp_path / "9764497700")
    assert number_fault_of(above) == (
        "its folder is 9764497700, and its card says version 1764497700"
    )
    for content in (b"", b"\xff", b"{}", b'{"model": 3}'):
        (above / CARD_JSON).write_bytes(content)
        assert number_fault_of(above).startswith("it has no assets.extra/model_card.json")
