"""An HTTP server on the loopback that speaks JSON: what simulated vector databases have in common."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class Refusal(Exception):
    """What is answered instead: `status`, and an object for JSON."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class JsonServer(ThreadingHTTPServer):
    """`answer` is called for one request at a time. `headers`: those of the requests that came in, in lower case.

    `silent`: while it is not set, requests are answered; afterwards none is.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.headers: list[dict[str, str]] = []
        self.silent = threading.Event()
        self.released = threading.Event()
        self.lock = threading.Lock()
        self._connections: set[Any] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> object:
        """What is answered for JSON to a request for `path`, in decoded parts; `body`: None where there is none."""
        raise NotImplementedError

    def __enter__(self) -> "JsonServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        for connection in list(self._connections):
            connection.close_now()


class _Handler(BaseHTTPRequestHandler):
    server: JsonServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server._connections.add(self)

    def finish(self) -> None:
        self.server._connections.discard(self)
        super().finish()

    def close_now(self) -> None:
        with suppress(OSError):  # where the client was faster
            self.connection.shutdown(2)

    def _reply(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.silent.is_set():
            self.server.released.wait()
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        status, body = 200, None
        with self.server.lock:
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            try:
                body = self.server.answer(
                    self.command, path, dict(parse_qsl(parts.query)), json.loads(raw) if raw else None
                )
            except Refusal as refusal:
                status, body = refusal.status, refusal.body
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _reply

    def log_message(self, format: str, *args: object) -> None:
        pass
