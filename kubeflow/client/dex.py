"""The login at Dex, which guards a Kubeflow platform: a form, and cookies for what comes after it.

The platform redirects whoever has no session to Dex, by itself (OIDC AuthService, cookie
`authservice_session`) or from a sign-in page (oauth2-proxy, cookie `oauth2_proxy_kubeflow`). Dex
lists its connectors or shows the form of the only one; after the form it may ask for approval, and
sends whoever passed back with a code that the guard turns into its cookie.

A server that refuses us renews the cookies with it:

    from kubeflow.client.dex import log_in

    with transport.session() as session:
        client.cookie = log_in(session, transport.host, "user@example.com", password)
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from components.errors import UserError
from kubeflow.client.errors import message_of, refusal, unreachable

if TYPE_CHECKING:
    import requests

_TIMEOUT_S = (10, 60)
_CONNECTORS = ("local", "ldap")


def log_in(session: requests.Session, host: str, user: str, password: str) -> str:
    """Logs in and returns the cookies as a header's value.

    Args:
      session: without cookies; it checks certificates and takes a proxy as the API's requests do.
      host: URL of what Dex guards.
      user: of Dex, for whom to log in.
      password: the user's.

    Raises:
      UserError: the password is wrong, or what answers is not Dex.
      GoneError: the server cannot be reached.
    """
    from requests import RequestException

    try:
        form = _find_form(session, host)
        if form:
            _send_form(session, host, form, user, password)
    except RequestException as error:
        raise unreachable(host, _reason(error)) from error
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)


def _find_form(session: requests.Session, host: str) -> str:
    """The URL of the login form; "" where nothing asks for a login."""
    response = session.get(host, timeout=_TIMEOUT_S)
    if response.status_code in (401, 403):
        # oauth2-proxy shows a page with a button; this is what the button does.
        parts = urlsplit(response.url)
        query = urlencode({"rd": parts.path or "/"})
        start = f"{parts.scheme}://{parts.netloc}/oauth2/start?{query}"
        response = session.get(start, timeout=_TIMEOUT_S)
    _check(response, host)
    if not response.history:
        return ""
    path = urlsplit(response.url).path
    if path.endswith("/auth"):
        # A choice of connectors: the ones that take a password, in turn.
        for connector in _CONNECTORS:
            parts = urlsplit(response.url)
            chosen = parts._replace(path=f"{path}/{connector}").geturl()
            answer = session.get(chosen, timeout=_TIMEOUT_S)
            if answer.ok and urlsplit(answer.url).path.endswith("/login"):
                return str(answer.url)
        raise UserError(f"Dex at {host} has no connector that takes a password: use --auth token.")
    if path.endswith("/login"):
        return str(response.url)
    raise UserError(
        f"{host} leads to {response.url.split('?')[0]}, which is not Dex's login: use --auth token."
    )


def _send_form(session: requests.Session, host: str, form: str, user: str, password: str) -> None:
    data = {"login": user, "password": password}
    response = session.post(form, data=data, timeout=_TIMEOUT_S)
    path = urlsplit(response.url).path
    if response.status_code == 401 or (response.ok and path.endswith("/login")):
        # Dex shows the form again, with or without 401 by its version.
        raise UserError(f"Dex at {host} does not accept the password of {user}.")
    _check(response, host)
    if path.endswith("/approval"):
        response = session.post(response.url, data={"approval": "approve"}, timeout=_TIMEOUT_S)
        _check(response, host)
    if not session.cookies:
        raise UserError(f"{host} gave no session after the login of {user}: is it the right URL?")


def _check(response: requests.Response, host: str) -> None:
    # What the user asked for may not be there (404), and the session is there all the same.
    if not response.ok and response.status_code != 404:
        what = f"cannot log in at {host}"
        raise refusal(what, response.status_code, message_of(response.content))


def _reason(error: Exception) -> Exception:
    """The error of urllib3 that requests wraps."""
    return error.args[0] if error.args and isinstance(error.args[0], Exception) else error
