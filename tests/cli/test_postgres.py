"""An index in PostgreSQL, by the real command: it answers as an index in a folder does, and can be copied both ways."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest

from tests.support.commands import Command, Completed, hear_signals, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.made_texts import texts
from tests.support.nearly import nearly
from tests.support.postgres_server import shared_server
from tests.support.schemas import COUNT, NUMBER, TEXT, record

pytestmark = pytest.mark.slow
COPY = record(
    schema={"const": "semsearch.copy/1"}, index=TEXT, to=TEXT, files=COUNT, chunks=COUNT, pending=COUNT, seconds=NUMBER
)
_TIMES = re.compile(r"\d+(\.\d+)? s\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d+(\.\d+)?[KM]?\b(?= ?\))|\b[\d.]+ ms")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, whose password is in the environment."""
    server = shared_server()
    monkeypatch.setenv("PGPASSWORD", server.password)
    parts = urlsplit(server.url(server.new_database()))
    return f"postgresql://{unquote(parts.username or '')}@{parts.hostname}:{parts.port}{parts.path}"


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "sample_docs", tmp_path / "docs", ignore=shutil.ignore_patterns(".semsearch"))
    return tmp_path / "docs"


@pytest.fixture
def both(documents: Path, tmp_path: Path, url: str, semsearch: Command) -> tuple[str, str]:
    """(an index of `documents` in a folder, one in a database)."""
    local = str(tmp_path / "local.index")
    for index in (local, url):
        assert semsearch("index", documents, "--index", index, "--model", "static", "-q").code == 0
    return local, url


def told(done: Completed, index: str) -> tuple[int, list[str]]:
    """What `done` says, without what differs between two indexes and two runs."""
    lines = (done.out + done.err).replace(index, "INDEX").splitlines()
    return done.code, [" ".join(_TIMES.sub("#", line).split()) for line in lines]


SAME: dict[str, tuple[str, ...]] = {
    "files": ("status", "--files"),
    "why": ("why", "what is the torque of the ring bolts", "operations/turbine-maintenance.md"),
    "a miss": ("why", "zebra", "operations/tariffs.md"),
    "search": ("search", "how much does electricity cost", "-k", "5"),
    "words": ("search", "E-417 alarm", "--mode", "lexical"),
    "meaning": ("search", "what happened in the village", "--mode", "dense", "-C", "1"),
    "nothing": ("search", "zebra quagga okapi"),
    "filters": ("search", "turbine", "--type", "markdown", "--path", "operations/", "--where", "tags=safety"),
    "dates": ("search", "battery", "--before", "2025-02-01"),
    "a phrase": ("search", '"main bearing" -grease'),
    "a slip": ("search", "elektricity tarifs"),
    "a file alike": ("search", "--like", "operations/tariffs.md"),
    "names": ("search", "battery", "-l"),
    "csv": ("search", "battery", "--format", "csv"),
    "ask": ("ask", "How warm may the cells of the battery get?"),
    "nothing to do": ("index",),
    "a dry run": ("index", "--dry-run"),
    "files compared": ("index", "--verify"),
}


def test_commands_say_the_same_of_both(both: tuple[str, str], documents: Path, semsearch: Command) -> None:
    for name, arguments in SAME.items():
        one, other = (semsearch(*arguments, "--index", index, cwd=documents) for index in both)
        assert told(one, both[0]) == told(other, both[1]), name


def test_what_changes_is_indexed_as_in_a_folder(both: tuple[str, str], documents: Path, semsearch: Command) -> None:
    for index in both:
        assert semsearch("search", "harbour", "--new-since", "mine", "--index", index).code == 0
        assert semsearch("search", "harbour", "--new-since", "mine", "--index", index).code == 1
    (documents / "new.md").write_text("# Harbour news\n\nThe harbour has a new crane.\n")
    (documents / "operations" / "tariffs.md").rename(documents / "operations" / "prices.md")
    shutil.rmtree(documents / "firmware")
    for arguments in (
        ("index",), ("search", "harbour", "--new-since", "mine"), ("search", "harbour", "--new-since", "mine"),
        ("search", "what does a kilowatt hour cost"), ("index", "--rebuild"), ("search", "crane"),
        ("status", "--files"),
    ):  # fmt: skip
        one, other = (semsearch(*arguments, "--index", index) for index in both)
        first, second = (
            re.sub(r"\d+ segments", "# segments", str(told(*each))) for each in ((one, both[0]), (other, both[1]))
        )
        assert first == second, arguments
    shutil.rmtree(documents)
    documents.mkdir()
    for index in both:
        refused = semsearch("index", "--index", index)
        assert refused.code != 0 and "--prune" in one_line_error(refused.err)
        assert semsearch("index", "--prune", "--index", index).code == 0
        assert semsearch("status", "--json", "--index", index).json["files"]["indexed"] == 0


def test_a_folder_and_a_database_are_asked_together(both: tuple[str, str], tmp_path: Path, semsearch: Command) -> None:
    write(tmp_path / "more", {"crane.md": "# Crane\n\nThe crane of the harbour lifts nine tons.\n"})
    assert semsearch("index", tmp_path / "more", "-q").code == 0
    more = str(tmp_path / "more")
    asked = ("search", "crane battery", "--json", "--min-score", "0")
    answers = [semsearch(*asked, "-i", index, "-i", more).json for index in both]
    one, other = ([(hit["file"], hit["score"]) for hit in each["results"]] for each in answers)
    assert one == nearly(other)
    assert {"crane.md", "battery-house.md"} <= {Path(file).name for file, _ in one}


def test_benches_run_and_nothing_is_left_that_was_learnt(both: tuple[str, str], semsearch: Command) -> None:
    for index in both:
        assert semsearch("tune", "--drop", "--index", index).code == 0
        assert semsearch("status", "--json", "--index", index).json["tuned"] is None
    for arguments in (("quality",), ("vectors",), ("speed", "--chunks", "8", "--rounds", "1")):
        assert semsearch("bench", *arguments, "--json", "--index", both[1]).code == 0


def test_what_an_engine_cannot_do_is_said_in_one_line(both: tuple[str, str], semsearch: Command) -> None:
    _, url = both
    for arguments, instead in (
        (("quantize", "int8"), f"semsearch copy --index {url} --to FOLDER"),
        (("quantize", "--dry-run"), f"semsearch copy --index {url} --to FOLDER"),
        (("index", "--shared", "users"), "rights of the database"),
    ):
        refused = semsearch(*arguments, "--index", url)
        assert refused.code == 2
        assert instead in one_line_error(refused.err)


def test_watch_indexes_what_changes(both: tuple[str, str], documents: Path, semsearch: Command) -> None:
    _, url = both
    watching = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "index", "--watch", "--index", url], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)}, preexec_fn=hear_signals,
    )  # fmt: skip
    try:
        assert watching.stdout is not None
        assert "up to date" in watching.stdout.readline()
        (documents / "new.md").write_text("# Crane\n\nThe harbour has a new crane.\n")
        assert "1 added" in watching.stdout.readline()
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(60)
    assert "new.md" in semsearch("search", "crane", "--index", url).out


# -- copy and verify -------------------------------------------------------------------------------------------------


def results(semsearch: Command, index: str) -> list[Any]:
    found = []
    for query in ("how much does electricity cost", "battery alarm", "horses in winter"):
        for mode in ("lexical", "dense", "hybrid"):
            hits = semsearch("search", query, "--mode", mode, "--json", "--min-score", "0", "--index", index).json
            found.append([(hit["path"], hit["chunk_id"], hit["score"]) for hit in hits["results"]])
    return found


def test_an_index_is_copied_to_a_database_and_back(both: tuple[str, str], tmp_path: Path, semsearch: Command) -> None:
    local, url = both
    there, back, again = f"{url}?schema=copied", str(tmp_path / "back.index"), f"{url}?schema=again"
    for source, target in ((local, there), (there, again), (again, back)):
        done = semsearch("copy", "--index", source, "--to", target, "--json")
        assert done.code == 0, done.err
        jsonschema.validate(done.json, COPY)
        assert (done.json["files"], done.json["pending"]) == (20, 0)
        assert semsearch("verify", "--index", target).code == 0
        assert results(semsearch, target) == nearly(results(semsearch, local))
        assert "up to date" in semsearch("index", "--index", target).out
    line = semsearch("copy", "--index", local, "--to", there).out  # there is nothing left to do
    assert re.fullmatch(r"copied: 20 files, \d+ chunks in [\d.]+ s: postgresql:.*\n", line)
    assert semsearch("copy", "-q", "--index", local, "--to", str(tmp_path / "quiet.index")).out == ""


def test_a_copy_is_refused_where_it_would_not_be_one(both: tuple[str, str], tmp_path: Path, semsearch: Command) -> None:
    local, url = both
    other = tmp_path / "other"
    write(other, {"a.md": "# Another\n\nIt is another index.\n"})
    assert semsearch("index", other, "-q").code == 0
    for source, target, said in (
        (local, local, "is the index that is to be copied"),
        (local, f"{local}/../local.index", "is the index that is to be copied"),
        (url, url, "is the index that is to be copied"),
        (str(other), url, "holds another index"),
        (url, str(other), "holds another index"),
        (str(tmp_path / "none"), url, "no index at"),
        (f"{url}?schema=none", str(tmp_path / "new"), "no index at"),
    ):
        refused = semsearch("copy", "--index", source, "--to", target)
        assert refused.code == 2
        assert said in one_line_error(refused.err)
    assert not (tmp_path / "new").exists()


def test_vectors_that_are_not_the_models_are_not_copied(both: tuple[str, str], semsearch: Command) -> None:
    local, url = both
    assert semsearch("quantize", "int8", "--index", local).code == 0
    done = semsearch("copy", "--index", local, "--to", f"{url}?schema=codes")
    assert done.code == 0
    assert "the vectors are kept as float16 there, not as int8" in done.err
    assert semsearch("quantize", "int8", "--drop-original", "--max-loss", "90%", "--index", local).code == 0
    refused = semsearch("copy", "--index", local, "--to", f"{url}?schema=dropped")
    assert refused.code == 2
    assert f"semsearch index --rebuild --index {local}" in one_line_error(refused.err)


@pytest.fixture
def large(tmp_path: Path, semsearch: Command) -> str:
    """An index of 900 files, whose vectors are in several commits."""
    write(tmp_path / "large", texts(900, 1))  # type: ignore[arg-type]
    assert semsearch("index", tmp_path / "large", "--model", "static", "-q").code == 0
    return str(tmp_path / "large" / ".semsearch")


@pytest.mark.parametrize("direction", ["to a database", "to a folder"])
def test_a_copy_that_is_killed_goes_on(
    direction: str, large: str, url: str, tmp_path: Path, semsearch: Command
) -> None:
    source, target = large, url
    if direction == "to a folder":
        assert semsearch("copy", "--index", large, "--to", url).code == 0
        source, target = url, str(tmp_path / "copy.index")
    command = [sys.executable, "-m", "tests.support.copy_in_small_steps", "--index", source, "--to", target]
    kills = 0
    for step in range(1, 40):
        done = subprocess.run(
            [*command, str(step)], capture_output=True, text=True, cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    assert kills > 5
    done = semsearch("copy", "--index", source, "--to", target, "--json")
    assert done.code == 0 and done.json["pending"] == 0
    assert semsearch("verify", "--index", target).code == 0
    assert results(semsearch, target) == nearly(results(semsearch, source))


def test_verify_tells_and_repairs_a_damaged_database(both: tuple[str, str], semsearch: Command) -> None:
    _, url = both
    before = results(semsearch, url)
    server = shared_server()
    with server.superuser(url.rpartition("/")[2]) as connection:
        connection.execute("UPDATE semsearch.chunks SET text = text || '!' WHERE id = 5")
        connection.execute("DELETE FROM semsearch.vectors WHERE chunk_id = 7")
        connection.execute("UPDATE semsearch.state SET chunks = 3")
    told = semsearch("verify", "--index", url, "--json")
    assert told.code == 1
    assert {problem["part"].partition(":")[0] for problem in told.json["problems"]} == {
        "files",
        "encode_queue",
        "state",
    }
    repaired = semsearch("verify", "--repair", "--index", url)
    assert repaired.code == 0
    assert repaired.out.count("repaired ") == 3 and "\ngood: " in repaired.out
    assert semsearch("index", "--index", url).code == 0
    # What was read again has a new number.
    without_ids = lambda found: [[(path, score) for path, _, score in hits] for hits in found]  # noqa: E731
    assert without_ids(results(semsearch, url)) == nearly(without_ids(before))
