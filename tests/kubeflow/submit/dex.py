"""The guard of a Kubeflow platform: OIDC AuthService or oauth2-proxy, with Dex behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_FORM = b"<html><form method=post><input name=login><input name=password></form></html>"


@dataclass
class Guard:
    """Lets through whoever has the session's cookie.

    Attributes:
      proxy: oauth2-proxy's ways (a page with 403) instead of AuthService's (a redirect).
      approval: whether Dex asks for approval after the form.
      connectors: whether Dex shows a choice before the form.
      sessions: cookies' values that are good, one more for each login.
    """

    proxy: bool = False
    approval: bool = True
    connectors: bool = False
    user: str = "ann@example.com"
    password: str = "right horse"
    wrong_status: int = 401
    sessions: list[str] = field(default_factory=list)

    @property
    def cookie(self) -> str:
        """The session's cookie."""
        return "oauth2_proxy_kubeflow" if self.proxy else "authservice_session"

    def __call__(self, request: Any) -> Any:
        """Status, headers and body; None for a request that may pass."""
        pages = {
            "/dex/auth": self._connectors,
            "/dex/auth/local": lambda request: _to("/dex/auth/local/login?back=&state=s1"),
            "/dex/auth/local/login": self._form,
            "/dex/approval": self._approval,
            self._callback: self._session,
        }
        if self.proxy:
            start = "/dex/auth?client_id=oauth2-proxy&state=s1"
            pages["/oauth2/start"] = lambda request: _to(start)
        return pages.get(request.path, self._pass_or_stop)(request)

    @property
    def _callback(self) -> str:
        return "/oauth2/callback" if self.proxy else "/authservice/oidc/callback"

    def _connectors(self, request: Any) -> Any:
        if self.connectors:
            return 200, {"Content-Type": "text/html"}, b"<html>Log in with: Email</html>"
        return _to("/dex/auth/local?client_id=c&state=s1")

    def _form(self, request: Any) -> Any:
        if request.method == "GET":
            return 200, {"Content-Type": "text/html"}, _FORM
        assert request.query["state"] == "s1"
        if request.body != {"login": self.user, "password": self.password}:
            return self.wrong_status, {"Content-Type": "text/html"}, _FORM
        asked = "/dex/approval?req=q1&hmac=h1"
        return _to(asked if self.approval else f"{self._callback}?code=abc&state=s1", 303)

    def _approval(self, request: Any) -> Any:
        if request.method == "GET":
            return 200, {"Content-Type": "text/html"}, b"<html>Grant access?</html>"
        assert request.body == {"approval": "approve"}
        return _to(f"{self._callback}?code=abc&state=s1", 303)

    def _session(self, request: Any) -> Any:
        assert request.query["code"] == "abc"
        self.sessions.append(f"session-{len(self.sessions) + 1}")
        return _to("/", cookie=f"{self.cookie}={self.sessions[-1]}; Path=/; HttpOnly")

    def _pass_or_stop(self, request: Any) -> Any:
        cookies = request.headers.get("cookie", "")
        if any(f"{self.cookie}={session}" in cookies for session in self.sessions):
            return None
        if self.proxy:
            return 403, {"Content-Type": "text/html"}, b"<html>Sign in with OpenID</html>"
        return _to("/dex/auth?client_id=authservice&state=s1")


def _to(target: str, status: int = 302, cookie: str = "") -> Any:
    headers = {"Location": target, **({"Set-Cookie": cookie} if cookie else {})}
    return status, headers, b""
