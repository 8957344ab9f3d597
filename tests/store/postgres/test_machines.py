"""Several machines on one index: each with its own folders, one queue, and locks that end with the process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from semsearch.store.opening import open_store
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, answers, ask, counts, difference, ended, problems
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import wait_until

FOLDERS = ("alpha", "beta", "gamma")


@pytest.fixture
def url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database; the password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    return server.url(server.new_database()).replace(f":{server.password}@", "@")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """machine -> its folder, of 60 files."""
    for number, name in enumerate(FOLDERS):
        write(tmp_path / name, dict(texts(60, number)))
    return {name: tmp_path / name for name in FOLDERS}


@pytest.fixture
def machines(url: str) -> dict[str, Machine]:
    return {name: Machine(name, url) for name in FOLDERS}


def local(folders: dict[str, Path], index: Path) -> Path:
    """A local index of all `folders`."""
    done = Machine("here", str(index)).run("index", *folders.values(), "--model", "static", "-q")
    assert done.code == 0, done.err
    return index


@contextmanager
def another_run(url: str, host: str, *folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run on `folders` of the machine `host` that goes on."""
    monkeypatch.setenv("SEMSEARCH_HOST", host)
    store = open_store(url)
    with store.write(folders=[str(one) for one in folders]):
        monkeypatch.delenv("SEMSEARCH_HOST")
        yield
    store.close()


def test_machines_with_folders_of_their_own_answer_as_one_index(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, tmp_path: Path
) -> None:
    runs = [machine.start("index", folders[name], "--model", "static") for name, machine in machines.items()]
    assert [ended(run).code for run in runs] == [0, 0, 0]
    # What one has claimed when the others end, it encodes itself.
    assert counts(url)[0] == 180 and counts(url)[-1] == 0
    assert problems(url) == []
    assert difference(answers(url), answers(local(folders, tmp_path / "index"))) == ""
    # Each looks after its own.
    (folders["beta"] / "0-new.txt").write_text("Herons nest in the reeds.\n")
    done = machines["alpha"].run("index", "--json")
    assert done.json["files"]["added"] == 0 and done.json["files"]["unchanged"] == 60
    done = machines["beta"].run("index", "--json")
    assert done.json["files"]["added"] == 1 and counts(url)[0] == 181
    assert machines["gamma"].run("search", "herons", "-l", "--mode", "lexical").out == "beta/0-new.txt\n"


def test_a_path_of_two_machines_is_two_folders(machines: dict[str, Machine], folders: dict[str, Path]) -> None:
    for name in ("alpha", "beta"):
        assert machines[name].run("index", folders["alpha"], "--model", "static", "-q").code == 0
    done = machines["gamma"].run("search", "the baker sells bread", "-l", "-k", "200", "--mode", "lexical")
    assert {line.partition("/")[0] for line in done.out.splitlines()} == {"alpha", "alpha-2"}


def test_a_second_run_on_a_folder_is_refused_and_names_the_first(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders["alpha"]
    assert machines["alpha"].run("index", folder, "--model", "static", "-q").code == 0
    with another_run(url, "alpha", folder, monkeypatch=monkeypatch):
        refused = machines["alpha"].run("index", folder)
        waiting = machines["alpha"].start("index", folder, "--wait")
        assert refused.code == 75
        line = one_line_error(refused.err)
        assert f"another run is writing {url}: process {os.getpid()} on alpha for 00:00:" in line and "--wait" in line
        # Others go on, also with a folder of that name.
        assert machines["beta"].run("index", folder, "-q").code == 0
        assert machines["gamma"].run("index", "--encode-only", "-q").code == 0
        assert waiting.poll() is None
    assert ended(waiting).code == 0


def test_a_rebuild_wants_the_index_for_itself(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machines["alpha"].run("index", folders["alpha"], "--model", "static", "-q").code == 0
    with another_run(url, "beta", folders["beta"], monkeypatch=monkeypatch):
        refused = machines["alpha"].run("index", "--rebuild")
        waiting = machines["alpha"].start("index", "--rebuild", "--wait")
        assert refused.code == 75 and "on beta" in one_line_error(refused.err)
        assert waiting.poll() is None
    assert ended(waiting).code == 0
    store = open_store(url)
    with store.write(folders=None):
        refused = machines["gamma"].run("index", folders["gamma"])
        assert refused.code == 75 and "another run is writing" in one_line_error(refused.err)
    store.close()


def test_a_machine_that_sees_no_folder_encodes_what_others_read(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, tmp_path: Path
) -> None:
    assert "no index at" in one_line_error(machines["gamma"].run("index", "--encode-only").err)
    for name in ("alpha", "beta"):
        assert machines[name].run("index", folders[name], "--model", "static", "--no-embed", "-q").code == 0
    assert counts(url)[-1] == 120
    done = machines["gamma"].run("index", "--encode-only", "--json")
    assert done.code == 0 and done.json["chunks"]["encoded"] + done.json["chunks"]["reused"] == 120
    assert done.json["files"]["removed"] == 0 and counts(url)[0] == 120 and counts(url)[-1] == 0
    # It is no machine of the index, and has compared no folder.
    status = machines["gamma"].run("status", "--json").json
    assert [one["host"] for one in status["machines"]] == ["alpha", "beta"] and problems(url) == []
    for flag in ("--no-embed", "--rebuild", "--dry-run", "--watch", folders["alpha"]):
        refused = machines["gamma"].run("index", "--encode-only", flag)
        assert refused.code == 2 and "--encode-only looks at no folder" in one_line_error(refused.err)


def test_a_local_index_encodes_only_as_well(folders: dict[str, Path], tmp_path: Path) -> None:
    machine = Machine("here", str(tmp_path / "index"))
    assert machine.run("index", folders["alpha"], "--model", "static", "--no-embed", "-q").code == 0
    write(folders["alpha"], {"late.txt": "It came too late.\n"})
    done = machine.run("index", "--encode-only", "--json")
    assert (
        done.json["chunks"]["pending"] == 0 and done.json["files"]["added"] == 0 and done.json["chunks"]["total"] == 60
    )


def test_status_tells_machines_and_the_runs_that_go_on(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machines["alpha"].run("index", folders["alpha"], "--model", "static", "--no-embed", "-q").code == 0
    with another_run(url, "beta", folders["beta"], monkeypatch=monkeypatch):
        (key,) = ask(url, "SELECT id FROM writers")
        ask(url, "UPDATE encode_queue SET claimed_by = %s, claimed_until = now() + interval '1 min'", *key)
        status = machines["gamma"].run("status")
        assert f"folder    alpha:{folders['alpha']}\n" in status.out
        lines = [line for line in status.out.splitlines() if line.startswith("machine ")]
        assert lines[0].startswith("machine   alpha: checked ") and lines[0].endswith(" s ago")
        assert lines[1].startswith(f"machine   beta: no folder checked; process {os.getpid()} runs for ")
        assert lines[1].endswith(", encoding 60 chunks") and "60 not encoded yet" in status.out
    status = machines["gamma"].run("status", "--json").json
    assert [(one["host"], one["runs"]) for one in status["machines"]] == [("alpha", [])]


def test_a_run_that_was_killed_is_none_that_goes_on(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, tmp_path: Path
) -> None:
    reached = tmp_path / "reached"
    run = machines["alpha"].start(
        "index", folders["alpha"], "--model", "static", module=("tests.support.statement_points", "160", str(reached))
    )
    wait_until(reached.exists, run)
    status = machines["beta"].run("status", "--json").json
    assert [one["pid"] for one in status["machines"][0]["runs"]] == [run.pid]
    run.send_signal(signal.SIGKILL)
    run.wait()
    # Its connections end a moment later.
    wait_until(
        lambda: not any(one["runs"] for one in machines["beta"].run("status", "--json").json.get("machines", ()))
    )
    assert ask(url, "SELECT count(*) FROM writers") == [(1,)]


@pytest.mark.slow
def test_what_was_killed_anywhere_is_taken_over_at_once(
    machines: dict[str, Machine], folders: dict[str, Path], url: str, tmp_path: Path
) -> None:
    """Three machines, of which two are killed at points spread over their runs; the third encodes for them."""
    for name in ("beta", "gamma"):
        assert machines[name].run("index", folders[name], "--model", "static", "--no-embed", "-q").code == 0
    points = ("tests.support.statement_points", "0", "-")
    run = machines["alpha"].start("index", folders["alpha"], "--model", "static", "-q", module=points)
    total = int(ended(run).err.split("points: ")[1])
    assert difference(answers(url), answers(local(folders, tmp_path / "index"))) == ""
    for place in range(1, 9):
        # What is encoded for the folder of alpha is of new texts each time.
        for path in folders["alpha"].iterdir():
            path.write_text(f"{path.read_text()} It was written {place} times.\n")
        points = ("tests.support.statement_points", str(total * place // 9), "kill")
        killed = machines["alpha"].start("index", folders["alpha"], "-q", module=points)
        assert killed.wait(240) == -signal.SIGKILL
        assert problems(url) == [], place
        # Whoever comes next does not wait for what the dead has claimed.
        helped = machines["beta"].run("index", "--encode-only", "--json")
        assert helped.code == 0 and counts(url)[-1] == 0, place
    assert machines["alpha"].run("index", "-q").code == 0
    assert problems(url) == [] and counts(url)[:1] == (180,)
    assert difference(answers(url), answers(local(folders, tmp_path / "again"))) == ""
    assert ask(url, "SELECT count(*) FROM writers") == [(0,)]
