"""Standard streams that are closed or full: messages may be lost, results may not, and nothing else changes."""

import io
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.cli import streams
from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import one_line_error
from tests.support.folders import PROJECT, write
from tests.support.waiting import CEILING_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full"),
]

COMMANDS = {
    "index": ["index", "notes", "-i", "index"],
    "index, unchanged": ["index", "notes", "-i", "index"],
    "index, first run": ["index", "notes", "-i", "new", "--model", "static"],
    "index --json": ["index", "notes", "-i", "index", "--json", "--retry"],
    "index, dry": ["index", "notes", "-i", "index", "--dry-run", "--retry"],
    "search": ["search", "sourdoug bread", "-i", "index"],
    "search --json": ["search", "bread", "-i", "index", "--json"],
    "search, csv": ["search", "bread", "-i", "index", "--format", "csv"],
    "search, coloured": ["search", "bread", "-i", "index", "--color", "always"],
    "search, many": ["search", "--queries", "queries.txt", "-i", "index"],
    "search, nothing": ["search", "zebra", "-i", "index", "--mode", "lexical", "--path", "none/"],
    "search, no index": ["search", "bread", "-i", "nowhere"],
    "ask": ["ask", "how long does sourdough rest", "-i", "index"],
    "why": ["why", "bread", "kitchen/bread.txt", "-i", "index"],
    "status": ["status", "-i", "index"],
    "status --files": ["status", "--files", "-i", "index"],
    "verify": ["verify", "-i", "index"],
    "config": ["config"],
    "models": ["models"],
    "models recommend": ["models", "recommend"],
    "quantize": ["quantize", "--dry-run", "--queries", "10", "-i", "index"],
    "bench quality": ["bench", "quality", "--questions", "5", "-i", "index"],
    "bench speed": ["bench", "speed", "--chunks", "1", "--rounds", "1", "-i", "index"],
    "tune": ["tune", "--drop", "-i", "index"],
    "help": ["--help"],
    "help of search": ["search", "-h"],
    "version": ["--version"],
    "usage": ["search", "--frobnicate"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.folders import NOTES

    folder = tmp_path_factory.mktemp("streams")
    write(folder / "notes", {**NOTES, "broken.pdf": b"%PDF-1.4 no more"})
    write(folder, {"queries.txt": "bread\nroses\n"})
    index_folders([str(folder / "notes")], str(folder / "index"), IndexOptions(model="static"))
    return folder


def shell(name: str, redirect: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    if name == "index":
        write(folder / "notes", {"changed.txt": f"Changed for {redirect}.\n"})
    subprocess.run(["rm", "-rf", str(folder / "new")], check=True)
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "bash", sys.executable, "-m", "semsearch", *COMMANDS[name]],
        capture_output=True, text=True, cwd=folder, timeout=CEILING_SECONDS,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_INDEX": ""},
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stderr_that_takes_nothing_changes_nothing(folder: Path, name: str) -> None:
    plain = shell(name, "", folder)
    assert plain.returncode in (0, 1, 2)
    for redirect in ("2>/dev/full", "2>&-", "2> >(exec true)", "2>/dev/full <&-", "2>&- <&-"):
        done = shell(name, redirect, folder)
        assert done.returncode == plain.returncode, redirect
        assert bool(done.stdout) == bool(plain.stdout), redirect
        assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_stdout_is_an_error(folder: Path, name: str) -> None:
    prints = bool(shell(name, "", folder).stdout)
    done = shell(name, ">/dev/full", folder)
    if not prints:
        return
    assert done.returncode == 2, done.stderr
    *messages, last = done.stderr.splitlines()
    assert "standard output: No space left on device" in last
    assert sum("No space left" in line for line in messages) == 0 and "Traceback" not in done.stderr
    if name.startswith("search"):
        assert "--json" in COMMANDS[name] or one_line_error(last)
    assert shell(name, ">/dev/full 2>/dev/full", folder).returncode == 2
    assert shell(name, ">/dev/full 2>&-", folder).returncode == 2
    for redirect in (">&-", ">&- <&-"):
        closed = shell(name, redirect, folder)
        assert closed.returncode == 2, redirect
        assert "standard output: Bad file descriptor" in closed.stderr.splitlines()[-1]
    assert shell(name, ">&- 2>&-", folder).returncode == 2


_NEXT_NUMBER = "from semsearch.cli import streams; streams.open_streams(); import os; os._exit(os.open(os.devnull, 0))"


@pytest.mark.parametrize("redirect", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(redirect: str) -> None:
    """What is then printed would be written into it."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "bash", sys.executable, "-c", _NEXT_NUMBER],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert done.returncode > 2


def test_a_pipe_that_does_not_block_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:  # full before anything is printed
            os.write(writing, b"x" * 4096)
    waits: list[bytes] = []
    monkeypatch.setattr(select, "select", lambda *_: waits.append(os.read(reading, 1 << 20)))
    with open(reading, "rb") as pipe:
        with io.TextIOWrapper(io.BufferedWriter(streams._Results(writing, "w"))) as stream:
            print("sourdough", file=stream)
        assert len(waits) == 1 and pipe.read() == b"sourdough\n"
