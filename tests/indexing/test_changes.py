"""What differs between a folder and its index: by stamps, by names that were given, by content for renames."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.indexing.changes import Changes, FileComparison, KnownFiles, find_changes, mass_delete
from semsearch.sources.beneath import Descent
from semsearch.sources.differences import RootDifference
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Root
from tests.support.folders import write


def comparison(snapshot: Snapshot, **more: object) -> FileComparison:
    return replace(FileComparison(WalkRules(), "/no/index", snapshot.info().generation), **more)  # type: ignore[arg-type]


def found(folder: Path, snapshot: Snapshot, files_from: list[str] | None = None, **more: object) -> Changes:
    known = {1: KnownFiles(snapshot, 1)}
    return find_changes({1: str(folder)}, known, comparison(snapshot, **more), files_from, {})


def names(changes: Changes) -> dict[str, list[str]]:
    """What is to be done -> names of files."""
    return {
        "read": [file.path for _, file, _ in changes.read],
        "skip": [file.path for _, file, _ in changes.skip],
        "rename": [file.path for _, file, _ in changes.rename],
        "remove": [os.fsdecode(old.path) for old in changes.remove],
        "failed": [name for _, name, _ in changes.failed],
    }


def only(**expected: list[str]) -> dict[str, list[str]]:
    return {"read": [], "skip": [], "rename": [], "remove": [], "failed": [], **expected}


def test_nothing_differs_after_a_run(folder: Path, snapshot: Snapshot) -> None:
    changes = found(folder, snapshot)
    assert names(changes) == only() and changes.unchanged == 3


def test_new_changed_and_gone_files(folder: Path, snapshot: Snapshot) -> None:
    write(folder, {"new.txt": "Something new.\n", "a.txt": "Prune the roses in autumn.\n"})
    (folder / "b.txt").unlink()
    (folder / "link.txt").symlink_to(folder / "a.txt")
    changes = found(folder, snapshot)
    assert names(changes) == only(read=["a.txt", "new.txt"], skip=["link.txt"], remove=["b.txt"])
    assert changes.unchanged == 1
    assert [old and old.path for _, _, old in changes.read] == [b"a.txt", None]


def test_equal_content_under_another_name_is_a_rename(folder: Path, snapshot: Snapshot) -> None:
    shutil.move(folder / "b.txt", folder / "sub" / "b.txt")
    assert names(found(folder, snapshot)) == only(rename=["sub/b.txt"])
    shutil.move(folder / "sub" / "b.txt", folder / "sub" / "ferry.txt")
    changes = found(folder, snapshot)
    assert names(changes) == only(read=["sub/ferry.txt"]), "its words are other ones now"
    assert [old and old.path for _, _, old in changes.read] == [b"b.txt"]
    shutil.move(folder / "sub" / "ferry.txt", folder / "ferry.md")
    changes = found(folder, snapshot)
    assert names(changes) == only(read=["ferry.md"], remove=["b.txt"]), "another suffix may mean another reader"


def test_a_file_of_another_generation_is_read_again_and_not_renamed(folder: Path, snapshot: Snapshot) -> None:
    shutil.move(folder / "b.txt", folder / "ferry.txt")
    changes = found(folder, snapshot, generation=snapshot.info().generation + 1)
    assert {"a.txt", "ferry.txt", "sub/c.md"} <= set(names(changes)["read"]) and not changes.rename


def test_what_could_not_be_read_is_tried_again_when_there_is_reason_to(folder: Path, snapshot: Snapshot) -> None:
    assert names(found(folder, snapshot, retry=True)) == only(read=["broken.pdf"])
    assert names(found(folder, snapshot, passwords=True)) == only()
    assert names(found(folder, snapshot, new_readers=True)) == only(read=["broken.pdf", "picture.png"])
    compare = comparison(snapshot, passwords=True)
    assert compare.tries_again("failed", "encrypted PDF: needs a password (--password-file)")
    assert not compare.tries_again("failed", "damaged PDF file")
    assert len(found(folder, snapshot, verify=True).read) == 5


def test_code_that_was_read_without_a_grammar_is_read_again_once_there_are_some(snapshot: Snapshot) -> None:
    text, *_ = (record for record in snapshot.files(1) if record.status == "indexed")
    code = replace(text, type="python")
    compare = comparison(snapshot, new_grammars=True)
    assert compare.reads_again(code) and not comparison(snapshot).reads_again(code)
    assert not compare.reads_again(replace(code, metadata={"symbols": 0})), "its grammar was there"
    assert not compare.reads_again(text), "no code"
    assert not compare.reads_again(replace(code, status="failed"))


def test_nothing_is_known_without_an_index(folder: Path, snapshot: Snapshot) -> None:
    changes = find_changes({1: str(folder)}, {1: KnownFiles()}, comparison(snapshot), None, {})
    assert len(changes.read) == 5 and changes.unchanged == 0


def test_a_root_that_was_compared_already_is_not_walked(folder: Path, snapshot: Snapshot) -> None:
    write(folder, {"new.txt": "Something new.\n"})
    seen = {1: RootDifference([], {b"a.txt"}, 2)}
    changes = find_changes({1: str(folder)}, {1: KnownFiles(snapshot, 1)}, comparison(snapshot), None, seen)
    assert names(changes) == only(remove=["a.txt"]) and changes.unchanged == 2


def test_what_lies_in_a_folder_that_cannot_be_listed_is_not_gone(
    folder: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Descent.open

    def open_folder(self: Descent, path: str) -> int:
        if path == "sub":
            raise PermissionError(13, "Permission denied")
        return original(self, path)

    monkeypatch.setattr(Descent, "open", open_folder)
    changes = found(folder, snapshot)
    assert names(changes)["remove"] == [] and changes.failed[0][2] == "cannot be read: Permission denied"


def test_named_files_are_compared_and_no_others(folder: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    write(folder, {"new.txt": "x", "other.txt": "y", ".hidden": "z", "a.txt": "Changed.\n"})
    (folder / "b.txt").unlink()
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "big.txt").write_text("x" * 5000)
    named = ["new.txt", "a.txt", "a.txt", "b.txt", ".hidden", "none.txt", "sub", "sub/c.md", "link.txt", "big.txt"]
    paths = [str(folder / name) for name in named] + [str(tmp_path / "outside.txt")]
    changes = found(folder, snapshot, paths, rules=WalkRules(max_file_size=1000))
    assert names(changes) == only(
        read=["new.txt", "a.txt", ".hidden"], skip=["link.txt", "big.txt"], remove=["b.txt"], failed=["none.txt", "sub"]
    )
    assert changes.outside == [str(tmp_path / "outside.txt")] and changes.unchanged == 1
    assert [reason for _, _, reason in changes.failed] == ["no such file", "a folder, not a file"]


def test_a_folder_in_the_place_of_a_file_removes_it(folder: Path, snapshot: Snapshot) -> None:
    (folder / "b.txt").unlink()
    (folder / "b.txt").mkdir()
    assert names(found(folder, snapshot, [str(folder / "b.txt")])) == only(remove=["b.txt"], failed=["b.txt"])


def test_named_links_are_followed_inside_the_folder_only(folder: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    write(tmp_path, {"outside.txt": "x"})
    (folder / "in.txt").symlink_to(folder / "a.txt")
    (folder / "out.txt").symlink_to(tmp_path / "outside.txt")
    paths = [str(folder / "in.txt"), str(folder / "out.txt")]
    changes = found(folder, snapshot, paths, rules=WalkRules(follow=True))
    assert names(changes) == only(read=["in.txt"], skip=["out.txt"])


def test_a_named_file_that_cannot_be_looked_at_is_told(folder: Path, snapshot: Snapshot) -> None:
    changes = found(folder, snapshot, [str(folder / ("x" * 300))])
    assert changes.failed == [(1, "x" * 300, "cannot be read: File name too long")]


def test_many_files_are_looked_up_at_once(folder: Path, snapshot: Snapshot) -> None:
    known = KnownFiles(snapshot, 1)
    for _ in range(250):
        one = known.record(b"a.txt")
        assert one is not None and one.path == b"a.txt" and known.record(b"none") is None


def test_losing_most_files_or_a_whole_folder_is_refused(folder: Path, snapshot: Snapshot) -> None:
    files = [file for file in snapshot.files() if file.status == "indexed"]
    total, roots = snapshot.counts().indexed, snapshot.info().roots
    assert mass_delete(total, roots, {1: 3}, Changes(remove=files[:1])) == ""
    assert "2 of 3 indexed files are gone" in mass_delete(total, roots, {1: 3}, Changes(remove=files[:2]))
    many = 100
    two = (*roots, Root(2, "/other", "other"))
    assert "all 3 indexed files of" in mass_delete(many, two, {1: 3}, Changes(remove=files))
    assert mass_delete(many, two, {1: 4}, Changes(remove=files)) == ""
    walked = found(folder, snapshot, retry=True).read
    assert mass_delete(many, two, {1: 3}, Changes(remove=files, read=walked)) == "", "new files: it is mounted"
