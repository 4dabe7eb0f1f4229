"""Who may ask: the token, and requests that come from other pages.

Beyond loopback every request brings the token. On loopback none is needed, so that there the
name of the host is checked: a page of somebody else that makes its own name mean this machine
(DNS rebinding) still asks by its own name.
"""

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "filmgrid_token"
OPEN_PATHS = frozenset(("/healthz",))
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "::1"))
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Refuses who may not ask, and says in every answer what a page of ours may do.

    Args:
        app: what is guarded.
        token: that every request must bring; none on loopback.
        host: that the server listens on.
    """

    def __init__(self, app: ASGIApp, token: str | None, host: str) -> None:
        self.app, self.token = app, token
        self.names = LOOPBACK_NAMES | {host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        told = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        status, problem = self._judge(scope, headers, told)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                if self.token is not None and _same(told, self.token):
                    answer.append(
                        "set-cookie",
                        f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/; "
                        "Max-Age=31536000",
                    )
            await send(message)

        if problem is None:
            await self.app(scope, receive, send_guarded)
            return
        extra = {"www-authenticate": "Bearer"} if status == 401 else None
        answer = JSONResponse({"detail": problem}, status, headers=extra)
        await answer(scope, receive, send_guarded)

    def _judge(self, scope: Scope, headers: Headers, told: str) -> tuple[int, str | None]:
        host = headers.get("host", "")
        if self.token is None and _name(host) not in self.names:
            return 403, (
                f"This server answers to {', '.join(sorted(self.names))} and was asked as "
                f"{host[:80]!r}. Start it with --host to open it to others."
            )
        if scope["method"] not in SAFE_METHODS:
            site = headers.get("sec-fetch-site", "none")
            origin = headers.get("origin")
            other = origin is not None and _netloc(origin) != host.lower()
            if site not in ("same-origin", "none") or other:
                return 403, "Only the server's own page may change things from a browser."
        if self.token is None or scope["path"] in OPEN_PATHS:
            return 200, None
        kind, _, value = headers.get("authorization", "").partition(" ")
        bearer = value.strip() if kind.lower() == "bearer" else ""
        if any(_same(each, self.token) for each in (bearer, told, _cookie(headers))):
            return 200, None
        return 401, (
            "This server asks for its token. Open the address that it printed when it started, or "
            "send the header Authorization: Bearer TOKEN."
        )


def _same(told: str, token: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "replace"), token.encode())


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    """Host and port of an origin, as a Host header has them."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
