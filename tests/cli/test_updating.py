"""`search --update` and `ask --update`: the folders first, then the answer; what goes wrong is told and no more."""

import os
import shutil
from pathlib import Path

import pytest

from semsearch.store.opening import open_store
from tests.support.commands import Command
from tests.support.folders import write


@pytest.fixture
def ferries(semsearch: Command, tmp_path: Path) -> Path:
    """A folder with an index and a file that came after it."""
    folder = tmp_path / "ferries"
    write(folder, {"night.txt": "The night ferry leaves the harbour at ten.\n", "fares.txt": "A ticket costs four.\n"})
    assert semsearch("index", folder, "--model", "static").code == 0
    write(folder, {"storm.txt": "In a storm the ferry waits behind the mole.\n"})
    return folder


@pytest.mark.slow
def test_search_and_ask_find_what_came_after_the_last_run(semsearch: Command, ferries: Path) -> None:
    query = ["storm mole", "-i", ferries, "-l"]
    assert "storm.txt" not in semsearch("search", *query).out
    done = semsearch("search", *query, "--update")
    assert (done.code, done.err) == (0, "") and "storm.txt" in done.out
    (ferries / "storm.txt").unlink()
    write(ferries, {"calm.txt": "When it is calm the ferry carries bicycles.\n"})
    done = semsearch("ask", "what does the ferry carry when it is calm", "-i", ferries, "--update")
    assert (done.code, done.err) == (0, "") and "bicycles" in done.out
    assert semsearch("index", ferries, "--json").json["files"]["unchanged"] == 3


def test_nothing_is_written_where_nothing_changed(semsearch: Command, ferries: Path) -> None:
    semsearch("index", ferries)
    catalog = ferries / ".semsearch" / "catalog.db"
    before = catalog.read_bytes()
    checked = semsearch("status", "-i", ferries, "--json").json["last_check"]
    os.utime(ferries / ".semsearch" / "lock", (1000, 1000))
    done = semsearch("search", "storm", "-i", ferries, "--update", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "") and catalog.read_bytes() == before
    assert semsearch("status", "-i", ferries, "--json").json["last_check"] >= checked, "it counts as a run"


def test_a_run_that_writes_is_told_and_not_waited_for(semsearch: Command, ferries: Path) -> None:
    store = open_store(str(ferries / ".semsearch"))
    with store.write():
        done = semsearch("search", "ferry", "-i", ferries, "-l", "--update")
    store.close()
    assert done.code == 0 and "night.txt" in done.out and "storm.txt" not in done.out
    assert len(done.err.splitlines()) == 1 and "asked as it is, without --update: another" in done.err


def test_an_update_that_fails_is_told_and_the_index_is_searched(semsearch: Command, ferries: Path) -> None:
    index = ferries.parent / "index"
    shutil.move(ferries / ".semsearch", index)
    shutil.rmtree(ferries)
    done = semsearch("search", "ferry", "-i", index, "-l", "--update")
    assert done.code == 0 and "night.txt" in done.out
    (line,) = done.err.splitlines()
    by_itself = semsearch("index", "-i", index).err.strip().removeprefix("semsearch: ")
    assert line == f"semsearch: {index} could not be brought up to date: {by_itself}"


def test_without_an_index_the_error_is_that_of_a_search(semsearch: Command, tmp_path: Path) -> None:
    with_flag, without = (semsearch("search", "ferry", "-i", tmp_path, *flags) for flags in (["--update"], []))
    assert (with_flag.code, with_flag.err) == (without.code, without.err) and with_flag.code == 2


def test_several_indexes_are_all_brought_up_to_date(semsearch: Command, ferries: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, {"boat.txt": "The boat is blue.\n"})
    semsearch("index", other, "--model", "static")
    write(other, {"storm.txt": "A storm sank the boat behind the mole.\n"})
    found = semsearch("search", "storm mole", "-i", ferries, "-i", other, "-l", "--absolute", "--update")
    assert found.err == ""
    assert {str(ferries / "storm.txt"), str(other / "storm.txt")} <= set(found.out.split())
