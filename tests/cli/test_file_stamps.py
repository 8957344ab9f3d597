"""Files with times that no index could hold: indexed, found and shown like any other, and never a defect."""

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import Command
from tests.support.folders import write

YEAR = 31_556_952
# Seconds since the epoch; a file system that cannot keep one keeps its first or last moment instead.
TIMES = [2300 - 1970, 2440 - 1970, 2554 - 1970, 1899 - 1970, 1600 - 1970, 1 - 1970, 9000]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for years in TIMES:
        name = tmp_path / "docs" / f"y{years}.txt"
        write(tmp_path / "docs", {name.name: f"The heron of {years} waits.\n"})
        os.utime(name, ns=(0, years * YEAR * 10**9))
    return tmp_path / "docs"


def test_no_time_of_a_file_is_a_defect(semsearch: Command, folder: Path) -> None:
    run = semsearch("index", folder, "--model", "static", "--json")
    assert run.code == 0, run.err
    assert (run.json["files"]["added"], run.json["failed"]) == (len(TIMES), [])
    again = semsearch("index", folder, "--json")
    assert (again.code, again.json["files"]["unchanged"]) == (0, len(TIMES))
    (folder / "names").write_text("\n".join(str(path) for path in folder.glob("*.txt")))
    named = semsearch("index", folder, "--files-from", folder / "names", "--json", "--newest-first")
    assert named.json["files"]["unchanged"] == len(TIMES)
    (folder / "y330.txt").rename(folder / "moved.txt")
    assert semsearch("index", folder, "--json").json["files"]["renamed"] == 1
    for command in (
        ["search", "heron"],
        ["search", "heron", "--json"],
        ["search", "heron", "--since", "1500-01-01"],
        ["search", "heron", "--since", "1000y", "--before", "9999-12-31"],
        ["why", "heron", "moved.txt"],
        ["ask", "where does the heron wait"],
        ["status", "--files"],
        ["verify"],
    ):
        done = semsearch(*command, "-i", folder)
        assert done.code in (0, 1) and "defect" not in done.err, (command, done.err)


@pytest.mark.parametrize("years", [min(TIMES), max(TIMES)])
def test_no_time_of_the_last_run_is_a_defect(semsearch: Command, folder: Path, years: int) -> None:
    semsearch("index", folder, "--model", "static", "--no-embed")
    os.utime(folder / ".semsearch/lock", ns=(0, years * YEAR * 10**9))
    assert semsearch("status", "-i", folder).code == 0
    assert json.loads(semsearch("status", "-i", folder, "--json").out)["last_check"]
    assert semsearch("index", folder).code == 0


@pytest.mark.parametrize(
    "date",
    ["9999-12-31", "0001-01-01", "0000-00-00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "99999-01-01",
     "D:99991231235959-23'59'", "Fri, 31 Dec 9999 23:59:59 -2359", "1e308", "-5", "99999999999999999999999"],
)  # fmt: skip
def test_no_date_inside_a_document_is_a_defect(semsearch: Command, tmp_path: Path, date: str) -> None:
    write(
        tmp_path / "docs",
        {
            "a.md": f"---\ntitle: Heron\ndate: {date}\n---\n\nThe heron waits.\n",
            "b.html": f"<html><head><meta name='date' content=\"{date}\"></head><p>The heron waits.</p></html>",
            "c.eml": f"From: a@example.org\nSubject: Heron\nDate: {date}\n\nThe heron waits.\n",
            "d.ics": f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Heron\nDTSTART:{date}\nEND:VEVENT\nEND:VCALENDAR\n",
        },
    )
    run = semsearch("index", tmp_path / "docs", "--model", "static", "--no-embed", "--json")
    assert run.code == 0, run.err
    assert (run.json["files"]["added"], run.json["failed"]) == (4, [])
    found = semsearch(
        "search", "heron", "--mode", "lexical", "--json", "--since", "0001-01-02", "-i", tmp_path / "docs"
    )
    assert found.code in (0, 1) and "defect" not in found.err
