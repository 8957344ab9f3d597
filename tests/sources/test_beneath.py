"""Nothing is opened through a symbolic link, whenever it came to be there."""

import os
from pathlib import Path

import pytest

from semsearch.errors import ReadError
from semsearch.sources import beneath
from semsearch.sources.beneath import LEAVES_FOLDER, NOT_FOLLOWED, Descent, open_beneath, status_beneath
from tests.support.folders import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, {"root/a.txt": "inside", "root/sub/deep/b.txt": "deep", "secret/b.txt": "secret"})
    return tmp_path / "root"


def content(root: Path, path: str, follow: bool = False) -> str:
    with open(open_beneath(str(root), path, follow)) as file:
        return file.read()


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_a_file_is_opened_at_any_depth_and_no_descriptor_is_left(root: Path) -> None:
    before = open_files()
    assert (content(root, "a.txt"), content(root, "sub/deep/b.txt")) == ("inside", "deep")
    assert status_beneath(str(root), "sub/deep/b.txt").st_size == 4
    for path in ("none.txt", "none/b.txt", "a.txt/b.txt"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            open_beneath(str(root), path)
    assert open_files() == before


def test_no_link_is_followed_at_any_place(root: Path) -> None:
    (root / "file.txt").symlink_to("a.txt")
    (root / "folder").symlink_to("../secret")
    (root / "sub/folder").symlink_to(root.parent / "secret")
    before = open_files()
    for path in ("file.txt", "folder/b.txt", "sub/folder/b.txt"):
        with pytest.raises(ReadError) as refused:
            open_beneath(str(root), path)
        assert refused.value.skip and refused.value.message == NOT_FOLLOWED
    assert open_files() == before


@pytest.mark.parametrize("path", ["../secret/b.txt", "sub/../a.txt", "/etc/passwd", "sub//deep/b.txt", ".", "", "sub/"])
def test_what_is_no_path_beneath_the_folder_is_refused(root: Path, path: str) -> None:
    with pytest.raises(ReadError, match="no path beneath the folder"):
        open_beneath(str(root), path)


def test_links_that_are_followed_stay_beneath_the_folder(root: Path) -> None:
    (root / "in.txt").symlink_to("sub/deep/b.txt")
    (root / "folder").symlink_to(root / "sub")
    (root / "out.txt").symlink_to("../secret/b.txt")
    (root / "out").symlink_to("../secret")
    (root / "beside").symlink_to(f"{root}-beside")
    assert content(root, "in.txt", follow=True) == content(root, "folder/deep/b.txt", follow=True) == "deep"
    for path in ("out.txt", "out/b.txt", "beside", "../secret/b.txt"):
        with pytest.raises(ReadError, match=LEAVES_FOLDER):
            open_beneath(str(root), path, follow=True)


def test_a_link_that_is_bent_after_it_was_looked_at_leads_nowhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between resolving a link and opening what it leads to."""
    (root / "in.txt").symlink_to("sub/deep/b.txt")
    resolve = beneath.real_beneath

    def bent(real_root: str, path: str) -> str | None:
        resolved = resolve(real_root, path)
        (root / "sub").rename(root / "was")
        (root / "sub").mkdir()
        (root / "sub/deep").symlink_to(root.parent / "secret")
        return resolved

    monkeypatch.setattr(beneath, "real_beneath", bent)
    with pytest.raises(ReadError, match="symbolic link"):
        open_beneath(str(root), "in.txt", follow=True)


def test_the_folder_itself_may_be_named_by_a_link(root: Path) -> None:
    (root.parent / "alias").symlink_to("root")
    assert content(root.parent / "alias", "a.txt") == content(root.parent / "alias", "a.txt", follow=True) == "inside"


def test_a_pipe_is_refused_without_waiting_for_its_writer(root: Path) -> None:
    os.mkfifo(root / "pipe")
    before = open_files()
    with pytest.raises(ReadError, match="not a regular file"):
        open_beneath(str(root), "pipe")
    assert open_files() == before


def test_a_descent_lists_each_folder_and_holds_few_open(root: Path) -> None:
    deep = "/".join(f"d{number}" for number in range(300))
    write(root, {f"{deep}/x/last.txt": "", f"{deep}/y/other.txt": ""})
    before = open_files()
    descent = Descent(str(root))
    for path, names in (
        ("", {"a.txt", "sub", "d0"}),
        ("sub/deep", {"b.txt"}),
        (f"{deep}/x", {"last.txt"}),
        (f"{deep}/y", {"other.txt"}),
        ("d0/d1", {"d2"}),
        ("sub", {"deep"}),
        ("", {"a.txt", "sub", "d0"}),
    ):
        assert set(os.listdir(descent.open(path))) == names
        assert open_files() <= before + 110
    assert open_files() == before + 1
    descent.close()
    assert open_files() == before


def test_a_descent_enters_no_link(root: Path) -> None:
    descent = Descent(str(root))
    descent.open("sub")
    (root / "sub/deep").rename(root / "deep")
    (root / "sub/deep").symlink_to(root.parent / "secret")
    with pytest.raises(OSError, match="it is a symbolic link now"):
        descent.open("sub/deep")
    assert os.listdir(descent.open("deep")) == ["b.txt"]
    descent.close()
