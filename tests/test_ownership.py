"""An index of another user: not used unless it was named, not written unless it is trusted and shared."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch import settings
from semsearch.errors import SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.ownership import check_found, check_place, check_written
from semsearch.private_files import SHARED, create, inherit
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
def place() -> Iterator[Path]:
    """A world-writable folder, as /tmp is, that everybody can reach; not below pytest's own, which are closed."""
    with tempfile.TemporaryDirectory(prefix="semsearch-place-") as folder:
        os.chmod(folder, 0o1777)
        yield Path(os.path.realpath(folder))


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
    index = planted.parent / ".semsearch"
    assert f"{index} is not used: it belongs to nobody" in said
    assert f"make your own with: semsearch index .; to search this one, name it: --index {index}" in said
    assert (planted.parent / ".semsearch" / "catalog.db").read_bytes() == before


def test_one_that_was_named_is_searched_and_not_written(planted: Path) -> None:
    index = str(planted.parent / ".semsearch")
    assert run_as(DAEMON, "search", "sourdough", "-i", index, "--mode", "lexical", cwd=planted).code == 0
    done = run_as(DAEMON, "index", str(planted), "-i", index, cwd=planted)
    assert done.code == 2 and "is not written: it belongs to nobody and is not shared" in one_line_error(done.err)
    assert run_as(DAEMON, "search", "nobody else should read", "-i", index, "--mode", "lexical", cwd=planted).code == 1


def test_one_that_is_trusted_is_used(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_TRUSTED", f"/elsewhere:{planted.parent}")
    assert run_as(DAEMON, "search", "sourdough", "--mode", "lexical", cwd=planted).code == 0
    monkeypatch.setenv("SEMSEARCH_TRUSTED", str(planted))
    assert run_as(DAEMON, "search", "sourdough", "--mode", "lexical", cwd=planted).code == 2


def test_one_that_is_trusted_and_not_shared_is_not_written(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could not read what another user makes in it."""
    index = planted.parent / ".semsearch"
    monkeypatch.setenv("SEMSEARCH_TRUSTED", "*")
    before = sorted(index.rglob("*"))
    done = run_as(DAEMON, "index", str(planted), "-i", str(index), cwd=planted)
    assert done.code == 2
    assert f"its owner can share it: semsearch index --shared GROUP --index {index};" in one_line_error(done.err)
    assert sorted(index.rglob("*")) == before


def test_a_file_system_that_keeps_no_owners_needs_no_sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = folder_of(tmp_path / "index", {"catalog.db": ""})
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: DAEMON)  # what it makes is root's all the same
        check_written(str(index), [str(index / "catalog.db")], [])
        os.lchown(index, NOBODY, NOBODY)
        with pytest.raises(SemsearchError, match="not shared with you"):
            check_written(str(index), [], ["*"])


def test_what_root_makes_in_the_index_of_a_user_is_that_users(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(place / "docs", NOTES)
    give(folder, NOBODY)
    index = folder / ".semsearch"
    assert run_as(NOBODY, "index", ".", "--model", "static", cwd=folder).code == 0
    monkeypatch.setenv("SEMSEARCH_TRUSTED", str(folder))
    write(folder, {"new.txt": "Written by root."})
    for shared in (False, True):
        if shared:
            done = run_as(NOBODY, "index", ".", "--shared", "users", cwd=folder, groups=[100])
            assert done.code == 0, done.err
        for options in (IndexOptions(), IndexOptions(rebuild=True)):
            index_folders([str(folder)], None, options)
            made = [index, *index.rglob("*")]
            assert {path.stat().st_uid for path in made} == {NOBODY}
            assert {path.stat().st_gid for path in made} == {100 if shared else NOBODY}
            folders, files = (SHARED, 0o660) if shared else (0o700, 0o600)
            for path in made:
                assert path.stat().st_mode & 0o7777 == (folders if path.is_dir() else files), path


def test_root_gives_away_no_file_that_was_there(place: Path) -> None:
    """The owner of a folder may put another name of a file of root into it."""
    mine = folder_of(place / "root", {"full": "secret", "empty": ""})
    theirs = place / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    for name in ("full", "empty"):
        os.link(mine / name, theirs / name)
        os.close(create(str(theirs / name), 0))
        assert (mine / name).stat().st_uid == 0
    os.close(create(str(theirs / "new")))
    assert (theirs / "new").stat().st_uid == NOBODY


def test_what_root_prepares_in_the_cache_of_a_user_is_that_users(place: Path) -> None:
    place.chmod(0o700)
    os.chown(place, NOBODY, NOBODY)
    inherit(str(folder_of(place / "model", {"model.json": "{}", "below/vectors.npy": ""})))
    assert {path.stat().st_uid for path in place.rglob("*")} == {NOBODY}


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
    with pytest.raises(SemsearchError, match="belongs to nobody") as raised:
        index_folders([str(folder)], None, IndexOptions(model="static"))
    assert raised.value.message == f"no index is made in {folder}: it belongs to nobody"
    assert f"semsearch index {folder} --index ~/my.index" in raised.value.hint
    index_folders([str(folder)], place / "own.index", IndexOptions(model="static"))


def test_who_may_not_write_there_is_told_what_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another user, without an index, with one, and in it: a way that this user can go."""
    folder = folder_of(place / "their docs", NOTES)
    give(folder, NOBODY)
    home = folder_of(place / "home", {"note.txt": "A note."})
    give(home, DAEMON)
    monkeypatch.setenv("HOME", str(home))
    own = f"make your own with: semsearch index '{folder}' --index ~/my.index"
    said = one_line_error(run_as(DAEMON, "index", ".", cwd=folder).err)
    assert said == f"semsearch: no index is made in {folder}: it belongs to nobody ({own})"
    assert run_as(NOBODY, "index", ".", "--model", "static", cwd=folder).code == 0
    said = one_line_error(run_as(DAEMON, "index", ".", cwd=folder).err)
    assert said == f"semsearch: {folder}/.semsearch is not used: it belongs to nobody ({own})"
    said = one_line_error(run_as(DAEMON, "search", "bread", cwd=folder).err)
    assert "make your own with: semsearch index . --index ~/my.index;" in said
    done = run_as(DAEMON, "index", str(folder), "--index", "~/my.index", "--model", "static", cwd=folder)
    assert done.code == 0, done.err
    (folder / ".semsearch").rename(folder / "other")
    folder.chmod(0o777)
    with_setting = run_as(DAEMON, "index", ".", cwd=folder).err
    assert f"{own}; if you trust its owner, write into" in with_setting
    assert f'trusted = "{folder}/.semsearch"' in with_setting


def test_a_link_is_that_of_who_made_it(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / ".semsearch"
    link.symlink_to(tmp_path / "index")
    check_found(str(link), [])
    os.lchown(link, NOBODY, NOBODY)
    for check in (
        lambda: check_found(str(link), []), lambda: check_place(str(link), []), lambda: check_written(str(link), [], [])
    ):  # fmt: skip
        with pytest.raises(SemsearchError, match="belongs to nobody"):
            check()
    check_found(str(link), ["*"])


def test_one_that_is_shared_is_written_by_its_group_where_it_is_trusted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(place / "docs", NOTES)
    index = place / "team.index"
    give(folder, NOBODY)
    made = run_as(NOBODY, "index", str(folder), "-i", str(index), "--model", "static", "--shared", "users", cwd=place,
                  groups=[100])  # fmt: skip
    assert made.code == 0, made.err
    monkeypatch.delenv("SEMSEARCH_TRUSTED", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    unchanged = run_as(DAEMON, "index", "-i", str(index), cwd=place, groups=[100])
    write(folder, {"new.txt": "Written by a colleague."})
    before = (index / "catalog.db").read_bytes()
    for done in (unchanged, run_as(DAEMON, "index", "-i", str(index), cwd=place, groups=[100])):
        assert done.code == 2
        line = f'write into {place}/config/semsearch/config.toml: trusted = "{index}"'
        assert f"is not written: it belongs to nobody (if you trust whoever can write it, {line})" in done.err
    assert (index / "catalog.db").read_bytes() == before
    write(place, {"config/semsearch/config.toml": f'trusted = "{index}"\n'})
    done = run_as(DAEMON, "index", "-i", str(index), cwd=place, groups=[100], umask=0o077)
    assert done.code == 0, done.err
    write(folder, {"newer.txt": "Written by another colleague."})
    done = run_as(DAEMON, "index", "-i", str(index), "--rebuild", cwd=place, groups=[100], umask=0o077)
    assert done.code == 0, done.err
    (place / "config" / "semsearch" / "config.toml").unlink()
    write(folder, {"newest.txt": "Written by the owner."})
    # Its owner needs no setting.
    for command in (["index"], ["search", "colleague"], ["verify"]):
        done = run_as(NOBODY, *command, "-i", str(index), cwd=place, groups=[100], umask=0o077)
        assert done.code == 0, done.err
    for path in (index, *index.rglob("*")):
        assert path.stat().st_gid == 100, path
        assert path.stat().st_mode & 0o7777 == (SHARED if path.is_dir() else 0o660), path


def test_a_group_that_is_none_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "docs", NOTES)
    with pytest.raises(SemsearchError, match="no such group"):
        index_folders([str(folder)], None, IndexOptions(model="static", shared="no-such-group"))
    assert not (folder / ".semsearch").exists()


def test_a_group_of_others_is_refused_before_anything_is_made(place: Path) -> None:
    folder = folder_of(place / "docs", NOTES)
    give(folder, DAEMON)
    index = folder / "team.index"
    arguments = ["index", str(folder), "-i", str(index), "--model", "static", "--shared", "users"]
    said = one_line_error(run_as(DAEMON, *arguments, cwd=folder).err)
    assert "--shared users: you are not in that group" in said
    assert not index.exists()


@pytest.mark.parametrize("folder", ["docs", ".", "./docs"])
def test_a_relative_path_is_no_setting(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("SEMSEARCH_TRUSTED", f"/a:~/b:{folder}")
    with pytest.raises(UsageError, match=f"SEMSEARCH_TRUSTED: {folder} is not a whole path"):
        settings.trusted()


def test_the_setting_takes_several_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_TRUSTED", "/a:/b")
    assert settings.trusted() == ["/a", "/b"]
    monkeypatch.delenv("SEMSEARCH_TRUSTED")
    assert settings.trusted() == []
