"""A real `semsearch serve` for tests, and clients of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.commands import Completed, hear_signals
from tests.support.waiting import CEILING_SECONDS, wait_until


class ServiceProcess:
    """A service in a runtime folder of its own, with a short path: a socket's has 107 bytes."""

    def __init__(self, *flags: str, **environment: str) -> None:
        self._flags = flags
        self.runtime = tempfile.mkdtemp(prefix="run-")
        self.folder = Path(self.runtime) / "semsearch"
        self.socket = self.folder / "commands.sock"
        self._environment = environment
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.runtime)

    def start(self, *by: str) -> None:
        """Returns once it listens. `by`: the command that runs it."""
        self.process = subprocess.Popen(
            [*by, sys.executable, "-m", "semsearch", "serve", "--commands-only", *self._flags],
            env=self.environment(), stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals,
        )  # fmt: skip
        assert self.process.stderr is not None
        assert "are run here" in (line := self.process.stderr.readline()), line

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(CEILING_SECONDS)
        assert self.process.stderr is not None
        rest = self.process.stderr.read()
        self.process.stderr.close()
        assert "Traceback" not in rest, rest
        return code

    def environment(self, **more: str) -> dict[str, str]:
        """That of a client."""
        ours = {name: value for name, value in os.environ.items() if name != "SEMSEARCH_SERVICE"}
        return {**ours, **self._environment, "XDG_RUNTIME_DIR": self.runtime, **more}

    def start_client(self, *arguments: object, served: bool = True, **more: Any) -> "subprocess.Popen[str]":
        """The process of `semsearch ARGUMENT...`; not `served`: it does not ask the service."""
        environment = {
            **self.environment(**more.pop("environment", {})),
            **({} if served else {"SEMSEARCH_SERVICE": "0"}),
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(
            [sys.executable, "-m", "semsearch", *map(str, arguments)], env=environment, text=True,
            preexec_fn=hear_signals, **pipes,
        )  # fmt: skip

    def run(self, *arguments: object, served: bool = True, stdin: str = "", **more: Any) -> Completed:
        """What `semsearch ARGUMENT...` did."""
        client = self.start_client(*arguments, served=served, **more)
        out, err = client.communicate(stdin, timeout=CEILING_SECONDS)
        return Completed(client.returncode, out or "", err or "")

    def commands(self) -> list[psutil.Process]:
        """The processes that run commands now."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children()

    def wait_for_commands(self, count: int) -> None:
        wait_until(lambda: len(self.commands()) == count)

    def wait_for_command(self, client: "subprocess.Popen[str]") -> None:
        """Until the only command is that of `client`, which passes on signals by now."""
        self.wait_for_commands(1)
        wait_until(lambda: _catches(client.pid, signal.SIGTSTP))


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (proc(5))."""
    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


def imported(service: ServiceProcess, arguments: Sequence[object], **more: str) -> set[str]:
    """The modules that a client imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "semsearch", *map(str, arguments)],
        env=service.environment(**more), capture_output=True, text=True, timeout=CEILING_SECONDS,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}
