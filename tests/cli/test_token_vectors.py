"""`index --token-vectors` and `search --rerank` with a late interaction model, as commands in processes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import Command, hear_signals, one_line_error
from tests.support.folders import PROJECT
from tests.support.tiny_models import make_late_interaction, make_model

pytestmark = pytest.mark.slow

TEXTS = 900


@pytest.fixture(scope="module")
def late(made_once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    return made_once("late-kept", lambda content: make_late_interaction(content, "native"))


def token_file(folder: Path) -> Path:
    return folder / ".semsearch" / "token_vectors.db"


def test_an_index_keeps_token_vectors_and_searches_use_them(semsearch: Command, notes: Path, late: Path) -> None:
    made = semsearch("index", notes, "--model", "static", "--token-vectors", late, "--json")
    assert made.code == 0, made.err
    total = made.json["chunks"]["total"]
    assert made.json["token_vectors"] == {"made": total, "left": 0}
    assert "keeping token vectors" not in made.err, "so few are made at once"
    assert oct(token_file(notes).stat().st_mode)[-3:] == "600"
    found = semsearch("search", "garden", "-i", notes, "--rerank", late, "--min-score", "0", "--json")
    assert found.code == 0 and not found.err, found.err
    scores = [hit["scores"]["rerank"] for hit in found.json["results"]]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    status = semsearch("status", "-i", notes, "--json").json["token_vectors"]
    assert (status["model"], status["passages"], status["texts"]) == (str(late), total, total)
    assert f"tokens    {late} (16 dimensions), {total} of {total} passages" in semsearch("status", "-i", notes).out
    assert semsearch("verify", "-i", notes).code == 0
    assert "up to date" in semsearch("index", notes).out
    token_file(notes).write_bytes(token_file(notes).read_bytes()[:9000])
    without = semsearch("search", "garden", "-i", notes, "--rerank", late, "--min-score", "0", "--json")
    assert without.code == 0 and "token_vectors.db cannot be used" in one_line_error(without.err)
    again = [hit["scores"]["rerank"] for hit in without.json["results"]]
    assert again == pytest.approx(scores, abs=2e-3)
    assert "damaged" in semsearch("status", "-i", notes).out
    verified = semsearch("verify", "-i", notes)
    assert verified.code == 1 and "token_vectors.db" in verified.out + verified.err
    assert semsearch("verify", "--repair", "-i", notes).code == 0 and not token_file(notes).exists()
    off = semsearch("index", notes, "--token-vectors", "off")
    assert off.code == 0, "there is none any more, which is what was asked for"


def test_ask_and_bench_rerank_by_it(semsearch: Command, notes: Path, late: Path) -> None:
    semsearch("index", notes, "--model", "static")
    asked = semsearch("ask", "what of the garden", "-i", notes, f"--rerank={late}", "--json")
    assert asked.code == 0, asked.err
    bench = semsearch("bench", "quality", "-i", notes, f"--rerank={late}", "--json")
    assert bench.code == 0, bench.err
    assert "reranked" in bench.out


def test_a_killed_run_leaves_an_index_that_answers_and_the_next_goes_on(
    semsearch: Command, tmp_path: Path, late: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(TEXTS):
        (folder / f"{number}.txt").write_text(f"pump {number} valve water " * 12)
    assert semsearch("index", folder, "--model", "static", "-q").code == 0
    command = [sys.executable, "-m", "semsearch", "index", str(folder), "--token-vectors", str(late)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    running = subprocess.Popen(command, env=environment, preexec_fn=hear_signals, stderr=subprocess.DEVNULL)
    while count(folder) < 80 and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = count(folder)
    assert 80 <= before < TEXTS
    found = semsearch("search", "pump 7", "-i", folder, f"--rerank={late}", "--min-score", "0")
    assert found.code == 0 and not found.err, found.err
    assert semsearch("verify", "-i", folder).code == 0
    gone_on = semsearch("index", folder, "--json")
    assert gone_on.json["token_vectors"] == {"made": TEXTS - before, "left": 0}
    assert "up to date" in semsearch("index", folder).out
    short = semsearch("index", folder, "--token-vectors", late, "--rebuild", "--max-time", "1s", "--json")
    assert short.code == 0, short.err


def count(folder: Path) -> int:
    if not token_file(folder).exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{token_file(folder)}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM passages").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_refusals_are_one_line(semsearch: Command, notes: Path, late: Path, tmp_path: Path) -> None:
    plain = make_model(tmp_path / "plain")
    for arguments, what in (
        (["search", "x", "-i", notes, f"--rerank={plain}"], "cannot rerank: it has neither a classification head"),
        (["index", notes, "--token-vectors", plain], "cannot rerank: it has neither a classification head"),
        (["index", notes, "--token-vectors", "nonesuch"], "no reranker called nonesuch"),
        (["index", notes, "--no-embed", "--token-vectors", late], "--no-embed encodes nothing"),
        (
            ["index", notes, "-i", "postgresql://127.0.0.1:1/x", "--token-vectors", late],
            "index --token-vectors is for an index in a folder, not for",
        ),
    ):
        if arguments[0] == "search":
            assert semsearch("index", notes, "--model", "static", "-q").code == 0
        refused = semsearch(*arguments)
        assert refused.code == 2, (arguments, refused.err)
        assert what in one_line_error(refused.err)


def test_killed_at_any_commit_it_answers_and_goes_on(
    semsearch: Command, notes: Path, late: Path, tmp_path: Path
) -> None:
    """At each point where something could be left half done: the index is whole, and the next run completes it."""
    assert semsearch("index", notes, "-i", tmp_path / "whole", "--model", "static", "-q").code == 0
    total = semsearch("status", "-i", tmp_path / "whole", "--json").json["chunks"]["total"]

    def run(point: int, index: Path) -> subprocess.CompletedProcess[str]:
        shutil.copytree(tmp_path / "whole", index)
        arguments = ["index", notes, "-i", index, "--token-vectors", late]
        command = [sys.executable, "-m", "tests.support.crash_points", point, tmp_path / f"copies{point}", *arguments]
        return subprocess.run(list(map(str, command)), cwd=PROJECT, capture_output=True, text=True, timeout=120)

    points = int(run(0, tmp_path / "counted").stdout.splitlines()[-1])
    assert points > 8
    for point in range(1, points + 1, max(1, points // 8)):
        index = tmp_path / f"killed{point}"
        assert run(point, index).returncode == -signal.SIGKILL
        searched = semsearch("search", "garden", "-i", index, f"--rerank={late}", "--min-score", "0")
        assert searched.code == 0, searched.err
        assert semsearch("index", notes, "-i", index, "--token-vectors", late, "-q").code == 0
        status = semsearch("status", "-i", index, "--json").json["token_vectors"]
        assert status["passages"] == status["texts"] == total
        assert semsearch("verify", "-i", index).code == 0
