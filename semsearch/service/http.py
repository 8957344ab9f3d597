"""The service over HTTP: each operation by GET and by POST, the page, and MCP at /mcp."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from concurrent.futures import Future
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from semsearch import __version__
from semsearch.answering.answer import answer_dict
from semsearch.errors import SemsearchError, UsageError
from semsearch.maintenance.file_status import as_dict as files_dict
from semsearch.maintenance.shown_file import shown_dict
from semsearch.retrieval.hit import result_dict
from semsearch.service.guard import LOOPBACK_NAMES, Guard
from semsearch.service.mcp_endpoint import McpEndpoint
from semsearch.service.openapi import description
from semsearch.service.operations import Answered, Listed, Operations, Shown
from semsearch.service.parameters import ASK, FILES, PASSAGE, SEARCH, STATUS, Operation
from semsearch.service.responses import as_json, as_told, error_dict, error_response, event_headers, json_response

Answer = TypeVar("Answer")

# A search takes some milliseconds; what takes so much longer is not waited for.
_ANSWER_SECONDS = 60.0
# A comment is sent to a client so often, by which it is found out that it is gone.
_SIGN_SECONDS = 10.0
_MOST_FIELDS = 100
_PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Path -> file of the page, its type.
_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def application(
    operations: Operations,
    *,
    hosts: Collection[str] = (),
    token: str | None = None,
    announce: Callable[[str], None] = lambda message: None,
) -> ASGIApp:
    """The ASGI application that answers for `operations`, which are closed at its end.

    `hosts`: names by which it is reached beside those of the loopback; `token`: see `Guard`. `announce` hears of
    defects. Raises `SemsearchError`.
    """
    service = _Service(operations, announce)
    mcp = McpEndpoint(operations)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with mcp.lifespan():
            try:
                yield
            finally:
                operations.close()

    routes = [
        *(Route(path, _page(*of), methods=["GET"]) for path, of in _PAGE.items()),
        *(Route(f"/{one.name}", service.answers(one, give), methods=["GET", "POST"]) for one, give in service.table()),
        Route("/health", _health, methods=["GET"]),
        Route("/openapi.json", _openapi, methods=["GET"]),
        Route("/mcp", mcp),
    ]
    handlers: dict[Any, Any] = {HTTPException: _not_here, Exception: service.failed}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return Guard(app, {*LOOPBACK_NAMES, *hosts}, token, {*_PAGE, "/health"})


class _Service:
    def __init__(self, operations: Operations, announce: Callable[[str], None]) -> None:
        self._operations = operations
        self._announce = announce

    def table(self) -> list[tuple[Operation, Callable[[Request, dict[str, Any]], Awaitable[Response]]]]:
        """Each operation with what answers it."""
        return [
            (SEARCH, self._search),
            (ASK, self._ask),
            (PASSAGE, self._passage),
            (FILES, self._files),
            (STATUS, self._status),
        ]

    def answers(
        self, operation: Operation, give: Callable[[Request, dict[str, Any]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of `operation`: checks what is asked, and tells what goes wrong."""

        async def endpoint(request: Request) -> Response:
            try:
                asked = operation.checked(await _given(operation, request))
                return await give(request, asked)
            except SemsearchError as error:
                return error_response(error)
            except Exception as error:
                return await self.failed(request, error)

        return endpoint

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answers with what may be told of `error`, and tells a defect to whoever runs the service."""
        if as_told(error).code == "internal":
            self._announce(f"{request.url.path}: unexpected {type(error).__name__}: {error}")
        return error_response(error)

    async def _search(self, request: Request, asked: dict[str, Any]) -> Response:
        result = await _answer(request, self._operations.search(asked))
        return json_response({**result_dict(result), "notices": list(result.notices)})

    async def _passage(self, request: Request, asked: dict[str, Any]) -> Response:
        shown: Shown = await _answer(request, self._operations.passage(asked))
        paging = {"offset": shown.offset, "total": shown.total, "next": shown.next_offset}
        return json_response({**shown_dict(shown.file, shown.lines), **paging})

    async def _files(self, request: Request, asked: dict[str, Any]) -> Response:
        listed: Listed = await _answer(request, self._operations.files(asked))
        end = asked["offset"] + len(listed.files)
        paging = {"offset": asked["offset"], "total": listed.total, "next": end if end < listed.total else None}
        return json_response({**files_dict(":".join(self._operations.locations), list(listed.files)), **paging})

    async def _status(self, request: Request, asked: dict[str, Any]) -> Response:
        indexes = await _answer(request, self._operations.status())
        model = self._operations.model
        return json_response(
            {
                "schema": "semsearch.service/1",
                "version": __version__,
                "llm": None if model is None else model.model,
                "indexes": indexes,
            }
        )

    async def _ask(self, request: Request, asked: dict[str, Any]) -> Response:
        if asked["llm"]:
            return _events(self._operations, asked)
        answered: Answered = await _answer(request, self._operations.ask(asked))
        return json_response(_answer_object(answered))


def _answer_object(answered: Answered) -> dict[str, Any]:
    return {**answer_dict(answered.answer), "notices": list(answered.answer.notices)}


async def _given(operation: Operation, request: Request) -> Mapping[str, Any]:
    """The parameters of a request. Raises `UsageError` for what is none."""
    query: bytes = request.scope["query_string"]
    if request.method != "POST":
        try:
            values = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError as error:
            raise UsageError(f"the parameters of the URL cannot be read: {error}", "encode them as UTF-8") from None
        return operation.read(values)
    if query:
        raise UsageError("a POST has its parameters in its body", "leave them out of the URL")
    # Forms of other sites cannot send this type unasked.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UsageError("the body is not said to be JSON", "send the header Content-Type: application/json")
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise UsageError("the body is no JSON", "send one object with the parameters") from None
    if not isinstance(given, dict):
        raise UsageError("the body is no JSON object", "send one object with the parameters")
    return given


async def _answer(request: Request, future: Future[Answer]) -> Answer:
    """What `future` gives, unless the client goes away or that takes too long."""
    result = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((result, gone), timeout=_ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        # Nobody reads what is said to a client that is gone.
        raise SemsearchError("the service did not answer in time", "try again later", code="busy")
    finally:
        gone.cancel()
        result.cancel()


async def _gone(request: Request) -> None:
    """Returns when the client of `request` has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _events(operations: Operations, asked: dict[str, Any]) -> Response:
    """The answer of a language model as it comes, as server-sent events; where the client goes away, that ends it."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[tuple[str, Mapping[str, Any]] | None] = asyncio.Queue()
    abandoned = threading.Event()

    def put(told: tuple[str, Mapping[str, Any]] | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
            loop.call_soon_threadsafe(heard.put_nowait, told)

    def tell(event: str, key: str, text: str) -> None:
        put((event, {key: text}))

    future = operations.ask(
        asked,
        lambda text: tell("text", "text", text),
        lambda notice: tell("notice", "notice", notice),
        abandoned,
    )
    future.add_done_callback(lambda done: put(None))

    async def stream() -> AsyncIterator[bytes]:
        try:
            while True:
                try:
                    async with asyncio.timeout(_SIGN_SECONDS):
                        told = await heard.get()
                except TimeoutError:
                    yield b": wait\n\n"
                    continue
                if told is None:
                    break
                yield _event(*told)
            if future.cancelled():  # the service ends
                return
            error = future.exception()
            if error is not None:
                yield _event("error", error_dict(error))
                return
            answered = future.result()
            if answered.failure is not None:
                yield _event("error", error_dict(answered.failure))
            yield _event("answer", _answer_object(answered))
        finally:
            abandoned.set()
            future.cancel()

    return StreamingResponse(stream(), 200, event_headers(), "text/event-stream")


def _event(name: str, record: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), as_json(record))


def _page(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("semsearch.service") / "page" / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        return Response(content, 200, _PAGE_HEADERS, media_type)

    return endpoint


async def _health(request: Request) -> Response:
    return json_response({"status": "ok"})


async def _openapi(request: Request) -> Response:
    return json_response(description())


async def _not_here(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        told = SemsearchError(
            f"{request.url.path} is not for {request.method}", "use GET, or POST", code="wrong_method"
        )
    else:
        told = SemsearchError(f"there is nothing at {request.url.path}", "see /openapi.json", code="not_found")
    response = error_response(told, error.status_code)
    response.headers.update(error.headers or {})  # Allow
    return response
