"""`semsearch show`: the text of a file as it is indexed, whole or in part."""

import os
from pathlib import Path

import jsonschema
import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command, one_line_error
from tests.support.folders import write
from tests.support.office import workbook
from tests.support.pdf import make_pdf
from tests.support.schemas import OPTIONAL_COUNT, OPTIONAL_TEXT, TEXT, record

LINES = [f"Line {number} tells of boat {number * 7}." for number in range(1, 401)]
LINE = record(line=OPTIONAL_COUNT, page=OPTIONAL_COUNT, heading={"type": "array", "items": TEXT}, text=TEXT)
SHOW = record(
    schema={"const": "semsearch.show/1"},
    path=TEXT,
    file=TEXT,
    type=TEXT,
    title=TEXT,
    change=OPTIONAL_TEXT,
    lines={"type": "array", "items": LINE},
)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    write(folder, {
        "sub/long.txt": "\n".join(LINES) + "\n",
        "b.pdf": make_pdf(["The first page tells of tides.", "The second page tells of the moon."]),
        "c.xlsx": workbook({"Boats": [["Name", "Feet"], ["Mira", "30"]], "Crew": [["Name", "Rank"], ["Ada", "mate"]]}),
        "odd:12.txt": "A name that looks like a line.",
    })  # fmt: skip
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


def test_a_file_is_shown_whole_and_in_part(semsearch: Command, indexed: Path) -> None:
    def shown(*arguments: object) -> list[str]:
        done = semsearch("show", *arguments, "-i", indexed)
        assert (done.code, done.err) == (0, ""), done.err
        return str(done.out).splitlines()

    assert shown("sub/long.txt") == LINES
    assert shown(indexed / "sub" / "long.txt") == LINES
    assert shown("sub/long.txt:12") == LINES[11:12]
    assert shown("sub/long.txt:12-14", "-C", "1") == LINES[10:15]
    assert shown("sub/long.txt:399-", "-n") == [f"399:{LINES[398]}", f"400:{LINES[399]}"]
    assert shown("b.pdf:p2", "-n") == ["p2:The second page tells of the moon."]
    assert shown("b.pdf") == ["The first page tells of tides.", "", "The second page tells of the moon."]
    assert shown("odd:12.txt") == ["A name that looks like a line."]
    assert "Name: Ada | Rank: mate" in shown("c.xlsx")
    (indexed / "moved").mkdir()
    assert semsearch("show", "../sub/long.txt:3", "-i", indexed, cwd=indexed / "moved").out == LINES[2] + "\n"


def test_json(semsearch: Command, indexed: Path) -> None:
    done = semsearch("show", "sub/long.txt:5-6", "-i", indexed, "--json")
    jsonschema.validate(done.json, SHOW)
    assert [(one["line"], one["text"]) for one in done.json["lines"]] == [(5, LINES[4]), (6, LINES[5])]
    assert done.json["file"] == str(indexed / "sub" / "long.txt") and done.json["change"] is None
    assert semsearch("show", "b.pdf:p1", "-i", indexed, "--json").json["lines"][0]["page"] == 1


def test_what_is_not_there_is_one_line(semsearch: Command, indexed: Path) -> None:
    for name, said in (
        ("nowhere.txt", "no indexed file is shown so"),
        ("sub/long.txt:900", "it has lines 1 to 400"),
        ("sub/long.txt:p1", "it has lines 1 to 400"),
        ("b.pdf:p7", "it has pages 1 to 2"),
        ("b.pdf:3", "it has pages 1 to 2"),
        ("sub/long.txt:9-2", "it has lines 1 to 400"),
        ("sub/long.txt:12-0", "it has lines 1 to 400"),
        ("sub/long.txt:" + "9" * 5000, "no indexed file is shown so"),
    ):
        done = semsearch("show", name, "-i", indexed)
        assert done.code == 2 and said in one_line_error(done.err), name
    assert semsearch("show", "sub/long.txt", "-C", "-1", "-i", indexed).code == 2


def test_a_file_of_another_time_and_the_same_size_may_have_changed(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "As it was."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    assert semsearch("show", "a.txt", "-i", tmp_path).err == ""
    os.utime(tmp_path / "a.txt", (1, 1))
    assert "a.txt may have changed since it was indexed" in semsearch("show", "a.txt", "-i", tmp_path).err


def test_the_index_is_shown_not_the_file(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "As it was.", "b.txt": "Gone soon."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    write(tmp_path, {"a.txt": "As it is now, and longer."})
    (tmp_path / "b.txt").unlink()
    changed, gone = semsearch("show", "a.txt", "-i", tmp_path), semsearch("show", "b.txt", "-i", tmp_path)
    assert (changed.out, gone.out) == ("As it was.\n", "Gone soon.\n")
    assert "a.txt has changed since" in changed.err and "b.txt is not there any more" in gone.err
    assert "changed" in semsearch("show", "a.txt", "-i", tmp_path, "--json").json["change"]
