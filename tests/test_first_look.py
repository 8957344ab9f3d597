"""The look by stamps alone finds what the full comparison finds, and is gone on with only while it holds."""

import shutil
from pathlib import Path

import pytest

from semsearch.first_look import FirstLook, look
from semsearch.indexing import IndexOptions, index_folders
from tests.conftest import Command, write

FAST = IndexOptions(model="static")


@pytest.fixture
def index(notes: Path) -> Path:
    write(notes, {"x.bin": b"\0\1"})
    (notes / "link").symlink_to(notes / "garden.md")
    index_folders([str(notes)], None, FAST)
    return notes / ".semsearch"


def seen(index: Path) -> FirstLook:
    found = look(str(index), [])
    assert found is not None
    return found


def test_nothing_changed(index: Path) -> None:
    found = seen(index)
    assert found.nothing_changed() and found.report.files["unchanged"] == 5
    assert [path for path, _ in found.report.skipped] == ["link", "x.bin"]


def test_a_run_that_goes_on_from_the_look_does_what_a_full_one_does(notes: Path, index: Path, tmp_path: Path) -> None:
    shutil.copytree(notes, tmp_path / "twin", symlinks=True)
    for folder in (notes, tmp_path / "twin"):
        write(folder, {"new.txt": "Something new.\n", "garden.md": "# Garden\n\nNothing is left of it, alas.\n"})
        (folder / "kitchen" / "soup.txt").rename(folder / "kitchen" / "stew.txt")
        (folder / "travel.html").unlink()
        (folder / "link").unlink()
    found = seen(index)
    assert not found.nothing_changed()
    by_look = index_folders([], str(index), seen=found)
    by_walk = index_folders([], str(tmp_path / "twin" / ".semsearch"), IndexOptions(prune=True))
    assert by_look.files == {"added": 1, "changed": 1, "renamed": 1, "removed": 1, "unchanged": 2}
    assert (by_look.files, by_look.skipped, by_look.failed) == (by_walk.files, by_walk.skipped, by_walk.failed)
    assert index_folders([], str(index)).files["unchanged"] == 5


def test_the_look_is_dropped_when_the_index_changed_meanwhile(notes: Path, index: Path) -> None:
    write(notes, {"new.txt": "Something new.\n"})
    first = seen(index)
    (notes / "travel.html").unlink()
    assert index_folders([], str(index), seen=first).files["removed"] == 0, "it was there when it was looked at"
    write(notes, {"newer.txt": "Something newer.\n"})
    stale = seen(index)
    index_folders([], str(index))
    write(notes, {"newest.txt": "The newest.\n"})
    report = index_folders([], str(index), seen=stale)
    assert report.files["added"] == 1 and report.files["unchanged"] == 6


def test_flags_that_change_nothing_are_answered_without_the_full_command(semsearch: Command, index: Path) -> None:
    broken = index.parent.parent / "typer.py"  # only the full command imports it
    broken.write_text("raise SystemExit(9)")
    env = {"PYTHONPATH": f"{broken.parent}:{Path(__file__).parents[1]}"}
    for flags in ((), ("-q", "--max-time", "8m"), ("--max-time", "90", "--newest-first", "--wait", "--json")):
        assert semsearch("index", "-i", index, *flags, env=env).code == 0, flags
    for flags in (("--max-time", "0"), ("--max-time", "soon"), ("--max-time",), ("--verify",)):
        assert semsearch("index", "-i", index, *flags, env=env).code == 9, flags
