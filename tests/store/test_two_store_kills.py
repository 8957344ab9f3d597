"""Kills between a vector database and the catalog: what comes after them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.engines import two_store_kills
from semsearch.maintenance.verification import verify
from tests.support.folders import write
from tests.support.kills import answers
from tests.support.made_texts import texts
from tests.support.postgres_server import PostgresServer


def _run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.parametrize("place", ["folder", "postgres"])
def test_after_a_kill_at_any_step_the_next_run_ends_as_one_that_nobody_killed(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = tmp_path / "folder", tmp_path / "own"
    write(folder, dict(texts(6, 1)))
    with PostgresServer() as server:
        monkeypatch.setenv("PGPASSWORD", server.password)
        url = f"pgvector://postgres@127.0.0.1:{server.port}/{server.new_database(extensions=())}"
        index = str(tmp_path / "index")
        if place == "postgres":
            index = server.url(server.new_database()).replace(f":{server.password}@", "@")
        command = ("index", folder, "--model", "static", "-q", "--wait", "-i")
        vectors = ("--vectors", url)
        for point in range(1, 60):
            # Each run begins where the one that was killed before it came to, and has something new to do.
            write(folder, {f"{point}.txt": next(iter(texts(1, 50 + point).values()))})
            (folder / f"{point - 1}.txt").unlink(missing_ok=True)
            done = _run("-m", "tests.support.engine_crash_points", point, *command, index, *vectors)
            if done.returncode != -9:
                break
        assert done.returncode == 0 and point > 8, done.stderr
        assert _run("-m", "semsearch", *command, own).returncode == 0
        assert answers(index) == answers(own)
        assert verify(index, False, False, lambda message: None).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("in_postgres", [False, True])
def test_kills_of_every_kind_of_run(in_postgres: bool) -> None:
    assert two_store_kills.main(14, 3, in_postgres) == 0
