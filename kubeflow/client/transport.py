"""How a server is reached: its URL, its certificate, the proxy on the way.

>>> host_of("https://kubeflow.example.com/pipeline/")
'https://kubeflow.example.com/pipeline'
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import kfp_server_api
import urllib3

from components.errors import UserError

if TYPE_CHECKING:
    import requests

_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"


@dataclass(frozen=True)
class Transport:
    """The way to one server.

    Attributes:
      host: its URL, without a slash at its end.
      ca_cert: a file with the authority of its certificate; None for those that everybody knows.
      insecure: whether its certificate is not checked.
      proxy: URL of the proxy, if any.
    """

    host: str
    ca_cert: str | None = None
    insecure: bool = False
    proxy: str | None = None

    def configuration(self) -> kfp_server_api.Configuration:
        """For the requests of kfp_server_api.

        Raises:
          UserError: `ca_cert` is no certificate.
        """
        if self.ca_cert:
            _check_authority(self.ca_cert)
        if self.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        configuration = kfp_server_api.Configuration(host=self.host)
        configuration.ssl_ca_cert = self.ca_cert
        configuration.verify_ssl = not self.insecure
        configuration.proxy = self.proxy
        return configuration

    def session(self) -> requests.Session:
        """For the pages of a login: the same certificates, and the same proxy."""
        import requests

        session = requests.Session()
        # The API's requests read no .netrc either; the proxy is the one they take.
        session.trust_env = False
        session.verify = not self.insecure and (self.ca_cert or True)
        if self.proxy:
            session.proxies = {"http": self.proxy, "https": self.proxy}
        return session


def host_of(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The server's URL without a slash at its end.

    Args:
      given: the value of --host.
      environment: KF_PIPELINES_ENDPOINT, and KUBERNETES_SERVICE_HOST in a pod.

    Raises:
      UserError: none is given and this is no pod, or it is not a URL.
    """
    host = given or environment.get("KF_PIPELINES_ENDPOINT", "")
    if not host and environment.get("KUBERNETES_SERVICE_HOST"):
        return _IN_CLUSTER
    if not host:
        raise UserError(
            "which server? Give --host URL or the variable KF_PIPELINES_ENDPOINT; after `kubectl "
            "port-forward -n kubeflow svc/ml-pipeline-ui 8080:80` it is http://localhost:8080."
        )
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--host {host}: write it as http://... or https://...")
    if parts.username or parts.password:
        raise UserError("--host must not hold a password: see --auth.")
    if "/#" in host or parts.query:
        raise UserError(f"--host {host}: leave out what follows {parts.scheme}://{parts.netloc}.")
    return host.rstrip("/")


def proxy_for(host: str) -> str | None:
    """The proxy that the environment names for the host, with respect to NO_PROXY."""
    from requests.utils import get_environ_proxies

    return get_environ_proxies(host).get(urlsplit(host).scheme)


def _check_authority(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise UserError(f"--ca-cert {path} is no certificate in PEM form.") from error
    except OSError as error:
        raise UserError(f"--ca-cert {path} cannot be read: {error.strerror}.") from error
