"""Whom a service answers: requests to a name that it has, from no other site, with its token, of a size it can hold.

A page of any site may send requests to a port of this machine, and a name of that site may lead to 127.0.0.1 (DNS
rebinding). Host and Origin tell: browsers set both, and no page can change them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from semsearch.errors import SemsearchError, UsageError
from semsearch.plurals import count_of
from semsearch.service.responses import error_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
TOKEN_VARIABLE = "SEMSEARCH_SERVICE_TOKEN"
_SHORTEST_TOKEN = 16
_MOST_BYTES = 64 * 1024
_READ_SECONDS = 10.0
# A client that takes nothing of an answer for so long is let go.
_SEND_SECONDS = 30.0


def host_of(header: str) -> str:
    """The name in a Host header, in lower case and without the port; an IPv6 address in brackets."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.partition(":")[0]


def check_token(token: str | None) -> str | None:
    """`token`, None for an empty one. Raises `UsageError` for one that can be guessed, or that no header can hold."""
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{TOKEN_VARIABLE} holds characters that no header can", "use letters, digits and - . _ ~")
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(
            f"{TOKEN_VARIABLE} has only {count_of(len(token), 'character')}",
            f"use {_SHORTEST_TOKEN} or more: openssl rand -hex 24",
        )
    return token


class Guard:
    """Lets through to `app` what may be asked.

    `hosts`: names by which the service is reached, as in a Host header without the port. `token`: what a request must
    bring as `Authorization: Bearer TOKEN`, but for the paths in `public`; None: nothing.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None, public: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._digest = None if token is None else _digest(token)
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        slow_send = _bounded_send(send)
        try:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            names = [name for name, _ in scope["headers"]]
            once = max(names.count(b"host"), names.count(b"origin")) == 1
            self._check(scope["method"], scope["path"], headers, once)
            body = await _body(headers, receive)
        except SemsearchError as error:
            await error_response(error)(scope, receive, slow_send)
            return
        except _GoneError:
            return
        await self._app(scope, _with_body(body, receive), slow_send)

    def _check(self, method: str, path: str, headers: Mapping[bytes, str], once: bool) -> None:
        """Raises `SemsearchError` for a request that is not to be answered."""
        host = headers.get(b"host", "")
        if not once or host_of(host) not in self._hosts:
            raise SemsearchError(
                "the request is for another host", "name that host with --allow-host", code="wrong_host"
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            raise SemsearchError(
                "the request comes from a page of another site", "there is no way to allow that", code="wrong_origin"
            )
        # Browsers say so of what a page asks for without an Origin, such as a picture. A link may lead to the page.
        is_page = path in self._public and method == "GET" and headers.get(b"sec-fetch-mode") == "navigate"
        if headers.get(b"sec-fetch-site") in ("cross-site", "same-site") and not is_page:
            raise SemsearchError(
                "the request comes from a page of another site", "there is no way to allow that", code="wrong_origin"
            )
        if self._digest is not None and path not in self._public:
            scheme, _, token = headers.get(b"authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(token.strip()), self._digest):
                raise SemsearchError(
                    "the request does not bring the token of the service",
                    "send it as a header: Authorization: Bearer TOKEN",
                    code="unauthorized",
                )


class _GoneError(Exception):
    """The client has gone away."""


def _digest(token: str) -> bytes:
    """Of equal length for every token, so that a comparison tells nothing of it."""
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()


async def _body(headers: Mapping[bytes, str], receive: Receive) -> bytes:
    """The body of a request. Raises `SemsearchError` for one that is too large or too slow, `_GoneError`."""
    too_large = SemsearchError(
        f"the request has more than {_MOST_BYTES:,} bytes", "ask for less at once", code="too_large"
    )
    declared = headers.get(b"content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > _MOST_BYTES:
        raise too_large
    if declared == "0" and b"transfer-encoding" not in headers:
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _GoneError
                body += message.get("body", b"")
                if len(body) > _MOST_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise SemsearchError(
            f"the request did not come whole within {_READ_SECONDS:g} seconds", "send it again", code="too_slow"
        ) from None


def _with_body(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives the whole `body` first."""
    given = False

    async def received() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        message = await receive()
        while message["type"] == "http.request":  # of a request without a body, which was not asked for it
            message = await receive()
        return message

    return received


def _bounded_send(send: Send) -> Send:
    async def sent(message: Message) -> None:
        async with asyncio.timeout(_SEND_SECONDS):
            await send(message)

    return sent
