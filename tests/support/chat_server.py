"""A chat server on the loopback that answers as it is told, and misbehaves on purpose."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Chat(ThreadingHTTPServer):
    """`requests`: the bodies that came in. `behave(handler, body)`: how each is answered."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behave: "Callable[[Handler, dict[str, Any]], None]") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.behave(self, body)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: object, kind: str = "application/json", **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def say(self, body: dict[str, Any], text: str | None, finish: str = "stop") -> None:
        """An answer as asked for, streamed or whole; without `usage`, which servers leave out."""
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            self.reply(200, {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]})
            return
        self.begin()
        for piece in [text[at : at + 7] for at in range(0, len(text or ""), 7)] if text else []:
            self.piece({"choices": [{"index": 0, "delta": {"content": piece}}]})
        self.piece({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()

    def piece(self, record: object) -> None:
        self.wfile.write(f"data: {json.dumps(record)}\n\n".encode())
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)


@contextmanager
def chat(behave: Callable[[Handler, dict[str, Any]], None]) -> Iterator[Chat]:
    server = Chat(behave)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
