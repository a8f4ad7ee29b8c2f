"""Signatures of pushed models, by OpenSSF model signing with an elliptic curve key.

A version's `model.sig` is a Sigstore bundle over the SHA-256 of every other file in its folder. The
official `model_signing verify key` accepts it.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     keys, version = Path(name), Path(name, "1764497700")
...     version.mkdir()
...     _ = (version / "saved_model.pb").write_text("weights")
...     private, public = make_keys(keys)
...     sign(version, private)
...     before = fault_of(version, public)
...     _ = (version / "saved_model.pb").write_text("other weights")
...     before, fault_of(version, public)
('', 'saved_model.pb is not the file that was signed')
"""

from __future__ import annotations

import base64
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.digests import digests_of_files
from components.errors import UserError
from components.pusher.versions import CARD_JSON, SIGNATURE

PASSWORD = "BIT_TFX_SIGNING_PASSWORD"
"""The environment variable with the password of an encrypted private key."""

_HOW_TO_MAKE = "openssl ecparam -name prime256v1 -genkey -noout -out signing.pem"

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""NIST P-256, P-384 and P-521, those that model signing supports."""


def check_private_key(path: str) -> None:
    """Tries the key of `push.signing_key`.

    Raises:
      UserError: there is no such file, it is no private key on one of `CURVES`, or its password is
        missing or wrong.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where = f"push.signing_key {path}"
    try:
        key = load_pem_private_key(_read(path, where), _password())
    except TypeError as error:
        if _password() is None:
            raise UserError(
                f"{where}: the key is encrypted: put its password in the variable {PASSWORD}."
            ) from error
        raise UserError(
            f"{where}: the variable {PASSWORD} holds a password, and the key is not encrypted: "
            f"type `unset {PASSWORD}`."
        ) from error
    except ValueError as error:
        if _password() is None:
            raise UserError(
                f"{where}: it is not a private key in PEM: type `{_HOW_TO_MAKE}` for one."
            ) from error
        raise UserError(
            f"{where}: the password in the variable {PASSWORD} is wrong, or the file is damaged."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in CURVES:
        raise UserError(
            f"{where}: it is not on one of the curves {', '.join(CURVES)}: type "
            f"`{_HOW_TO_MAKE}` for a key that is."
        )


def check_public_key(path: str) -> None:
    """Tries the key of `--key`.

    Raises:
      UserError: there is no such file, or it is no public key on one of `CURVES`.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key: Any = load_pem_public_key(_read(path, f"--key {path}"))
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise UserError(
            f"--key {path}: it is not the public key of a key for push.signing_key: type "
            "`openssl ec -in signing.pem -pubout -out public.pem` for that of signing.pem."
        )


def sign(version: Path, private_key: str) -> None:
    """Writes `model.sig` into a version's folder, over all of its other files.

    Args:
      version: on a local disk; the signature states its name.
      private_key: as `check_private_key` takes it.
    """
    signing = _library()
    key = signing.signing.Config().use_elliptic_key_signer(
        private_key=private_key, password=_password()
    )
    key.set_hashing_config(_every_file(signing)).sign(version, version / SIGNATURE)


def fault_of(version: Path, public_key: str) -> str:
    """Why a version is not what the owner of a key signed, as a clause; "" where it is.

    Args:
      version: a version's folder on a local disk.
      public_key: as `check_public_key` takes it.
    """
    signature = version / SIGNATURE
    if not signature.exists():
        return f"it is not signed: it has no {SIGNATURE}"
    signing = _library()
    config = signing.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    # Ours, and not the one that the signature names: it leaves out .git and what lies there.
    config.set_hashing_config(_every_file(signing))
    try:
        config.verify(version, signature)
    except Exception as error:  # A hostile file makes the parsers below raise anything.
        return _reason(version, error)
    return ""


def number_fault_of(version: Path) -> str:
    """Why a version has another number than the push gave it, as a clause; "" where it has not.

    A signature does not hold the folder's name: without this an older version, signed as it is,
    could come back under a higher number. The card, which is signed, has the number.

    Args:
      version: a version's folder on a local disk.
    """
    try:
        card = json.loads((version / CARD_JSON).read_text(encoding="utf-8"))
        number = str(card["model"]["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"it has no {CARD_JSON} with its number"
    if version.name == number:
        return ""
    return f"its folder is {version.name}, and its card says version {number}"


def make_keys(folder: Path) -> tuple[str, str]:
    """Writes a pair of keys on P-256, as openssl does; returns their paths, the private one first.

    For examples and tests; keys that count are better made where they stay.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "signing.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return str(private), str(public)


def _read(path: str, where: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from error


def _password() -> bytes | None:
    """Of the private key; cryptography wants bytes, whatever model_signing's types say."""
    text = os.environ.get(PASSWORD)
    return text.encode() if text else None


def _library() -> Any:
    """model_signing, whose import takes a second and warns of Google's libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import model_signing
    return model_signing


def _every_file(signing: Any) -> Any:
    return signing.hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _reason(version: Path, error: Exception) -> str:
    text = str(error)
    if text.startswith("Signature mismatch"):
        return "; ".join(_differences(_stated(version / SIGNATURE), digests_of_files(version)))
    if "Key mismatch" in text or type(error).__name__ == "InvalidSignature":
        return "it is signed with another key"
    if "symlink" in text:
        return "it holds a symbolic link"
    return f"its {SIGNATURE} is not a signature of a model: {type(error).__name__} {text}"[:300]


def _stated(signature: Path) -> dict[str, str]:
    """SHA-256 by relative name of file, as a signature states them."""
    envelope = json.loads(signature.read_text(encoding="utf-8"))["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    return {each["name"]: each["digest"] for each in statement["predicate"]["resources"]}


def _differences(stated: Mapping[str, str], there: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*stated, *there} - {SIGNATURE}):
        if name not in there:
            yield f"{name} is gone"
        elif name not in stated:
            yield f"{name} was not signed"
        elif stated[name] != there[name]:
            yield f"{name} is not the file that was signed"
