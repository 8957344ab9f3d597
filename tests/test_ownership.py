"""An index of another user: not used unless it was named, not written unless it is shared or trusted."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch import settings
from semsearch.errors import SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.ownership import check_found, check_written
from semsearch.private_files import SHARED
from tests.support.commands import one_line_error
from tests.support.folders import NOTES, write
from tests.support.users import DAEMON, NOBODY, as_root, run_as

pytestmark = as_root


def folder_of(path: Path, files: dict[str, str | bytes]) -> Path:
    write(path, files)
    return path


def give(path: Path, user: int) -> None:
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files, "."):
            os.lchown(os.path.join(parent, name), user, user)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A world-writable folder, as /tmp is, that everybody can reach."""
    place = tmp_path_factory.mktemp("place")
    place.chmod(0o1777)
    above = [parent for parent in place.parents if not parent.stat().st_mode & 0o001]
    modes = {parent: parent.stat().st_mode for parent in above}
    for parent in above:
        parent.chmod(0o711)
    yield place
    for parent, mode in modes.items():
        parent.chmod(mode)


@pytest.fixture
def planted(place: Path) -> Path:
    """An index of `nobody` in the world-writable folder, above the folder of `daemon` that `daemon` works in."""
    index_folders([str(folder_of(place / "theirs", NOTES))], place / ".semsearch", IndexOptions(model="static"))
    (place / ".semsearch").chmod(0o777)
    for path in (place / ".semsearch").rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    give(place / ".semsearch", NOBODY)
    mine = folder_of(place / "mine", {"diary.txt": "What nobody else should read."})
    give(mine, DAEMON)
    return mine


@pytest.mark.parametrize(
    "arguments", [["search", "bread"], ["status"], ["index"], ["verify", "--repair"], ["ask", "x?"]]
)
def test_one_above_that_somebody_planted_is_not_used(planted: Path, arguments: list[str]) -> None:
    before = (planted.parent / ".semsearch" / "catalog.db").read_bytes()
    done = run_as(DAEMON, *arguments, cwd=planted)
    assert done.code == 2
    said = one_line_error(done.err)
    assert "is not used" in said and "belongs to nobody" in said and "--index" in said
    assert (planted.parent / ".semsearch" / "catalog.db").read_bytes() == before


def test_one_that_was_named_is_searched_and_not_written(planted: Path) -> None:
    index = str(planted.parent / ".semsearch")
    assert run_as(DAEMON, "search", "sourdough", "-i", index, "--mode", "lexical", cwd=planted).code == 0
    done = run_as(DAEMON, "index", str(planted), "-i", index, cwd=planted)
    assert done.code == 2 and "is not written" in one_line_error(done.err)
    assert run_as(DAEMON, "search", "nobody else should read", "-i", index, "--mode", "lexical", cwd=planted).code == 1


def test_one_that_is_trusted_is_used(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_TRUSTED", f"/elsewhere:{planted.parent}")
    assert run_as(DAEMON, "search", "sourdough", "--mode", "lexical", cwd=planted).code == 0
    monkeypatch.setenv("SEMSEARCH_TRUSTED", str(planted))
    assert run_as(DAEMON, "search", "sourdough", "--mode", "lexical", cwd=planted).code == 2


def test_root_does_not_write_the_index_of_a_user(place: Path) -> None:
    folder = folder_of(place / "docs", NOTES)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    give(folder, NOBODY)
    with pytest.raises(SemsearchError, match="not written"):
        index_folders([], folder / ".semsearch", IndexOptions())
    with pytest.raises(SemsearchError, match="not used"):
        index_folders([str(folder)], None, IndexOptions())


def test_a_new_one_in_a_folder_of_another_user_must_be_named(place: Path) -> None:
    folder = folder_of(place / "docs", NOTES)
    give(folder, NOBODY)
    with pytest.raises(SemsearchError, match="belongs to nobody"):
        index_folders([str(folder)], None, IndexOptions(model="static"))
    index_folders([str(folder)], place / "own.index", IndexOptions(model="static"))


def test_a_link_is_that_of_who_made_it(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / ".semsearch"
    link.symlink_to(tmp_path / "index")
    check_found(str(link), [])
    os.lchown(link, NOBODY, NOBODY)
    for check in (lambda: check_found(str(link), []), lambda: check_written(str(link), [], [])):
        with pytest.raises(SemsearchError, match="belongs to nobody"):
            check()
    check_found(str(link), ["*"])


def test_one_that_is_shared_is_written_by_its_group(place: Path) -> None:
    folder = folder_of(place / "docs", NOTES)
    index = place / "team.index"
    give(folder, NOBODY)
    made = run_as(NOBODY, "index", str(folder), "-i", str(index), "--model", "static", "--shared", "users", cwd=place,
                  groups=[100])  # fmt: skip
    assert made.code == 0, made.err
    folder.chmod(0o777)
    write(folder, {"new.txt": "Written by a colleague."})
    done = run_as(DAEMON, "index", "-i", str(index), cwd=place, groups=[100], umask=0o077)
    assert done.code == 0, done.err
    assert run_as(NOBODY, "search", "colleague", "-i", str(index), cwd=place, groups=[100], umask=0o077).code == 0
    assert run_as(NOBODY, "verify", "-i", str(index), cwd=place, groups=[100]).code == 0
    for path in (index, *index.rglob("*")):
        assert path.stat().st_gid == 100, path
        assert path.stat().st_mode & 0o7777 == (SHARED if path.is_dir() else 0o660), path


def test_a_group_that_is_none_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "docs", NOTES)
    with pytest.raises(SemsearchError, match="no such group"):
        index_folders([str(folder)], None, IndexOptions(model="static", shared="no-such-group"))
    assert not (folder / ".semsearch").exists()


def test_the_setting_takes_several_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_TRUSTED", "/a:/b")
    assert settings.trusted() == ["/a", "/b"]
    monkeypatch.delenv("SEMSEARCH_TRUSTED")
    assert settings.trusted() == []
