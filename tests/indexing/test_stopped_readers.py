"""Files whose reader was stopped: not for time in which nothing ran, and tried once more, as that may be chance."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.commands import Command
from tests.support.folders import PROJECT, write
from tests.support.pdf import make_pdf
from tests.support.waiting import wait_until

FEW = {"SEMSEARCH_READ_MEMORY": "300"}  # too few megabytes for anything larger than a note


def report(semsearch: Command, *arguments: object, **options: Any) -> dict[str, Any]:
    done = semsearch("index", *arguments, "--json", **options)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    write(folder, {"a.txt": "Tides turn twice a day.\n", "large.txt": "tides and ferries\n" * 500_000})
    return folder


def test_a_file_that_was_stopped_is_read_again_once(semsearch: Command, folder: Path) -> None:
    first = report(semsearch, folder, "--model", "static", env=FEW)
    reason = "needs more than 300 MB of memory to be read"
    assert first["failed"] == [{"path": "large.txt", "reason": f"{reason} (the next run tries again)"}]
    again = report(semsearch, folder, env=FEW)
    given_up = [{"path": "large.txt", "reason": f"{reason} (twice in a row; --retry tries again)"}]
    assert again["failed"] == given_up
    unchanged = report(semsearch, folder)
    assert unchanged["failed"] == given_up and not unchanged["seconds"]["read"], "nothing is read"
    assert report(semsearch, folder, "--retry")["failed"] == []


def test_the_next_run_reads_what_was_stopped_by_chance(semsearch: Command, folder: Path) -> None:
    report(semsearch, folder, "--model", "static", env=FEW)
    again = report(semsearch, folder)
    assert again["failed"] == [] and again["files"]["added"] == 1


def test_a_file_that_changed_is_tried_twice_again(semsearch: Command, folder: Path) -> None:
    for _ in range(2):
        report(semsearch, folder, "--model", "static", env=FEW)
    write(folder, {"large.txt": "ferries and tides\n" * 500_000})
    assert "the next run" in report(semsearch, folder, env=FEW)["failed"][0]["reason"]


@pytest.mark.slow
def test_time_for_which_a_run_is_stopped_does_not_count(tmp_path: Path) -> None:
    seconds = 4
    slow = make_pdf(["\n".join("word" for _ in range(60_000))])
    write(tmp_path / "docs", {"slow.pdf": slow})
    run = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "index", "docs", "--model", "static", "--json"],
        stdout=subprocess.PIPE, cwd=tmp_path, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_READ_SECONDS": str(seconds)},
    )  # fmt: skip

    def reads() -> bool:
        readers = psutil.Process(run.pid).children()
        return any("slow.pdf" in file.path for reader in readers for file in reader.open_files())

    wait_until(reads, run)
    os.killpg(run.pid, signal.SIGSTOP)
    time.sleep(seconds + 2)
    os.killpg(run.pid, signal.SIGCONT)
    out, _ = run.communicate()
    found = json.loads(out)
    assert found["failed"] == [] and found["files"]["added"] == 1, found
