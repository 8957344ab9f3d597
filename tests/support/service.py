"""A real `semsearch serve` in a process of its own, on a free port of the loopback."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.commands import hear_signals
from tests.support.folders import PROJECT
from tests.support.waiting import CEILING_SECONDS, wait_until


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        assert self.json["schema"] == "semsearch.error/1" and set(self.json["error"]) == {"code", "message", "hint"}
        return str(self.json["error"]["code"])


@dataclass(frozen=True)
class Service:
    """`log`: the file with what the process prints."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=CEILING_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None, /, **parameters: Any) -> Reply:
        query = "?" + urlencode(parameters, doseq=True) if parameters else ""
        return self.request("GET", path + query, **(headers or {}))

    def post(self, path: str, record: Any) -> Reply:
        return self.request("POST", path, json.dumps(record).encode(), content_type="application/json")

    def end(self) -> int:
        """Ends it as systemd does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(CEILING_SECONDS)


@contextmanager
def serving(folder: Path, *arguments: object, env: dict[str, str] | None = None) -> Iterator[Service]:
    """`semsearch serve` with `arguments`; its log is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, "-m", "semsearch", "serve", "--port", "0", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **(env or {})}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=environment,
            preexec_fn=hear_signals,
        ) as process,
    ):
        try:
            listening = re.compile(r"at http://[^ ]*?:(\d+)/ ")
            wait_until(lambda: listening.search(log.read_text()), process)
            found = listening.search(log.read_text())
            assert found is not None
            service = Service(process, int(found[1]), log)
            yield service
            assert "Traceback" not in log.read_text(), log.read_text()
        finally:
            process.terminate()
            try:
                process.wait(CEILING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
