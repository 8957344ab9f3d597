"""The look by stamps alone finds what the full comparison finds, and is gone on with only while it holds."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.sources.grammars import readers_version
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.stat_check import StatCheck, stat_check
from semsearch.store.local.writer import IndexWriter
from tests.support.commands import Command
from tests.support.folders import PROJECT, write

FAST = IndexOptions(model="static")


@pytest.fixture
def index(notes: Path) -> Path:
    write(notes, {"x.bin": b"\0\1"})
    (notes / "link").symlink_to(notes / "garden.md")
    index_folders([str(notes)], None, FAST)
    return notes / ".semsearch"


def seen(index: Path) -> StatCheck:
    found = stat_check(str(index), [])
    assert found is not None
    return found


def test_nothing_changed(index: Path) -> None:
    found = seen(index)
    assert found.nothing_changed() and found.report.files["unchanged"] == 5
    assert [path for path, _ in found.report.skipped] == ["link", "x.bin"]


@pytest.mark.slow
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


@pytest.mark.slow
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
    env = {"PYTHONPATH": f"{broken.parent}:{PROJECT}"}
    for flags in ((), ("-q", "--max-time", "8m"), ("--max-time", "90", "--newest-first", "--wait", "--json")):
        assert semsearch("index", "-i", index, *flags, env=env).code == 0, flags
    for flags in (("--max-time", "5ms"), ("--max-time", "0"), ("--max-time", "soon"), ("--max-time",), ("--verify",)):
        assert semsearch("index", "-i", index, *flags, env=env).code == 9, flags


def test_what_was_seen_is_not_used_where_other_rules_hold(notes: Path, index: Path) -> None:
    found = seen(index)
    report = index_folders([], str(index), IndexOptions(exclude=("*.txt",), prune=True), seen=found)
    assert report.files["removed"] == 2


def test_a_damaged_index_is_not_up_to_date(semsearch: Command, notes: Path, index: Path) -> None:
    connection = sqlite3.connect(index / "catalog.db")
    connection.execute("UPDATE files SET title = 'x'")
    connection.commit()
    connection.close()
    done = semsearch("index", notes)
    assert done.code == 2 and "is not what was written" in done.err
    (index / "catalog.crc").unlink()
    connection = sqlite3.connect(index / "catalog.db")
    connection.execute("UPDATE settings SET value = 'null' WHERE key = 'rules'")
    connection.commit()
    connection.close()
    done = semsearch("index", notes)
    assert done.code == 2 and "verify --repair" in done.err and "defect" not in done.err


@pytest.mark.slow
def test_an_empty_mount_point_is_not_an_empty_folder(notes: Path, tmp_path: Path, semsearch: Command) -> None:
    write(tmp_path / "large", {f"{number}.txt": f"Note {number}.\n" for number in range(20)})
    index = tmp_path / "all.index"
    index_folders([str(tmp_path / "large"), str(notes)], str(index), FAST)
    notes.rename(tmp_path / "unmounted")
    notes.mkdir()
    done = semsearch("index", "-i", index)
    assert done.code == 2 and f"all 5 indexed files of {notes} are gone" in done.err and "--prune" in done.err
    assert "refused without --prune" in semsearch("index", "-i", index, "--dry-run").out
    hour_ago = (index / "lock").stat().st_mtime - 3600
    os.utime(index / "lock", (hour_ago, hour_ago))
    stamp = semsearch("status", "-i", index, "--json").json["last_check"]
    assert semsearch("index", "-i", index).code == 2
    assert semsearch("status", "-i", index, "--json").json["last_check"] == stamp, "a refused run checked nothing"
    notes.rmdir()
    (tmp_path / "unmounted").rename(notes)
    assert semsearch("index", "-i", index, "--json").json["chunks"]["encoded"] == 0
    assert semsearch("status", "-i", index, "--json").json["last_check"] > stamp


def test_files_that_readers_learn_to_read_are_tried_in_every_folder(notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, {"x.bin": b"\0\1", "y.txt": "The tide.\n"})
    index = tmp_path / "all.index"
    index_folders([str(notes), str(other)], str(index), FAST)
    with IndexWriter(str(index)) as writer, writer.commit():
        writer.catalog.set_setting("readers", 0)
    index_folders([str(notes)], str(index), IndexOptions())
    assert Catalog.read(str(index), lambda catalog: catalog.setting("readers")) == 0
    index_folders([], str(index), IndexOptions())
    assert Catalog.read(str(index), lambda catalog: catalog.setting("readers")) == readers_version()


@pytest.mark.slow
def test_a_pipe_for_a_catalog_keeps_nobody_waiting(semsearch: Command, notes: Path, index: Path) -> None:
    (index / "catalog.db").unlink()
    os.mkfifo(index / "catalog.db")
    for flags in ((), ("--dry-run",)):
        done = semsearch("index", notes, *flags)
        assert done.code == (0 if flags else 2)
    assert "is no file" in semsearch("index", notes).err


def test_the_only_file_of_a_folder_may_be_renamed_and_changed(notes: Path, tmp_path: Path) -> None:
    write(tmp_path / "small", {"one.txt": "The tide.\n"})
    index = tmp_path / "all.index"
    index_folders([str(notes), str(tmp_path / "small")], str(index), FAST)
    (tmp_path / "small" / "one.txt").unlink()
    write(tmp_path / "small", {"two.txt": "The ebb.\n"})
    assert index_folders([], str(index), IndexOptions()).files["removed"] == 1


@pytest.mark.slow
def test_a_checksum_without_a_catalog_is_of_no_index(notes: Path, index: Path) -> None:
    (index / "catalog.db").unlink()
    assert index_folders([str(notes)], str(index), FAST).files["added"] == 5
