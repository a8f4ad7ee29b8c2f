"""Servers behind TLS, with a certificate of an authority that nobody knows."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kubeflow.submit.dex import Guard
from tests.kubeflow.submit.server import Kfp, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that only its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kfp")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    both = file.with_name("server.pem")
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both.write_bytes(private + file.read_bytes())
    return file, both


def test_a_certificate_must_be_known(submit, certificate):
    authority, both = certificate
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    with serving(Kfp(), tls) as server:
        url = ("--host", server.url, "--upload-only")
        refused = submit(*url, host=False)
        assert refused.code == 2
        assert f"the certificate of {server.url} is not trusted (certificate verify" in refused.err
        assert "give its authority with --ca-cert FILE, or --insecure" in refused.err
        assert server.asked == []
        assert submit(*url, "--ca-cert", authority, host=False).code == 0
        unchecked = submit(*url, "--insecure", host=False)
        assert unchecked.code == 0
        assert unchecked.err == f"warning: the certificate of {server.url} is not checked.\n"
        server.guard = Guard()
        dex = {"KFP_DEX_USER": "ann@example.com", "KFP_DEX_PASSWORD": "right horse"}
        assert submit(*url, "--ca-cert", authority, host=False, more=dex).code == 0
        assert "is not trusted" in submit(*url, host=False, more=dex).err


def test_tls_to_a_server_without_it_is_reported(submit, kfp):
    done = submit("--host", kfp.url.replace("http", "https"), host=False)
    assert done.code == 2
    assert "does not speak TLS: write http:// instead of https://" in done.err
