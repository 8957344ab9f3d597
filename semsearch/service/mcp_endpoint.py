"""MCP over HTTP. Its packages are imported with the first request: they take some 25 MB and half a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
    from starlette.types import Receive, Scope, Send

    from semsearch.service.operations import Operations


class McpEndpoint:
    """An ASGI application that speaks MCP for `operations` within its `lifespan`. Raises `SemsearchError`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._overview = operations.overview().result()
        self._is_wanted = asyncio.Event()
        self._has_ended = asyncio.Event()
        self._application: asyncio.Future[StreamableHTTPASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._is_wanted.set()
        application = await asyncio.shield(self._application)
        await application(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Ends what runs for agents when the block is left."""
        self._application = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._has_ended.set()
            self._is_wanted.set()
            await task

    async def _run(self) -> None:
        await self._is_wanted.wait()
        if self._has_ended.is_set():
            return
        try:
            application, manager = await asyncio.to_thread(self._made)
        except Exception as error:  # whoever asks hears of it
            self._application.set_exception(error)
            return
        async with manager.run():
            self._application.set_result(application)
            await self._has_ended.wait()

    def _made(self) -> tuple[StreamableHTTPASGIApp, StreamableHTTPSessionManager]:
        from semsearch.service.mcp_server import streamable_http

        return streamable_http(self._operations, self._overview)
