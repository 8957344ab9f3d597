"""Whoever may write to a folder cannot make its indexing read what lies elsewhere, by swapping names while it runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.sources.beneath import LEAVES_FOLDER, NOT_FOLLOWED
from tests.support.commands import Command
from tests.support.folders import write

SECRET = "The password of the vault is xylophone.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is indexed, beside one with files of the same names that nobody is to see."""
    write(tmp_path, {"docs/a.txt": "Roses.\n", "docs/sub/b.txt": "Ferries.\n", "docs/sub/deep/c.txt": "Bread.\n"})
    write(tmp_path, {"secret/a.txt": SECRET, "secret/b.txt": SECRET, "secret/deep/c.txt": SECRET})
    return tmp_path / "docs"


def run_while(folder: Path, happens: Callable[[], object], options: IndexOptions | None = None) -> IndexReport:
    """A run in which something happens after the walk and before the first file is opened."""
    options = options or IndexOptions(model="static", embed=False)
    return index_folders([str(folder)], None, options, Progress(reading=lambda total: happens()))


def secrets(folder: Path) -> list[str]:
    """Where the index found what it must not."""
    with Searcher(str(folder / ".semsearch")) as searcher:
        return [hit.path for hit in searcher.search("xylophone", SearchOptions(mode="lexical", k=50)).hits]


def swap(path: Path, target: Path | str) -> None:
    path.rename(path.parent / f".was-{path.name}")
    path.symlink_to(target)


def test_a_file_that_became_a_link_is_not_read(folder: Path) -> None:
    report = run_while(folder, lambda: swap(folder / "a.txt", "../secret/a.txt"))
    assert report.skipped == [("a.txt", NOT_FOLLOWED)] and report.indexed == 2
    assert secrets(folder) == []
    again = index_folders([str(folder)])
    assert again.skipped == report.skipped and not any(again.files[kind] for kind in ("added", "changed", "removed"))


def test_a_file_that_was_a_link_for_a_moment_is_read_by_the_next_run(folder: Path) -> None:
    os.utime(folder / "a.txt", (1, 1))
    run_while(folder, lambda: swap(folder / "a.txt", "../secret/a.txt"))
    (folder / ".was-a.txt").replace(folder / "a.txt")
    again = index_folders([str(folder)])
    assert again.files["added"] == 1 and again.skipped == []


@pytest.mark.parametrize("swapped", ["sub", "sub/deep"])
def test_a_folder_that_became_a_link_is_not_read_through(folder: Path, swapped: str) -> None:
    target = folder.parent / ("secret" if swapped == "sub" else "secret/deep")
    report = run_while(folder, lambda: swap(folder / swapped, target))
    assert set(report.skipped) >= {("sub/deep/c.txt", NOT_FOLLOWED)} and ("a.txt", NOT_FOLLOWED) not in report.skipped
    assert secrets(folder) == []
    again = index_folders([str(folder)], None, IndexOptions(prune=True))
    assert (swapped, NOT_FOLLOWED) in again.skipped and again.indexed == (1 if swapped == "sub" else 2)


def test_a_new_name_of_known_content_is_not_looked_for_through_a_link(folder: Path) -> None:
    """A file that is gone makes the run compare new files of its size by content, before any is read."""
    index_folders([str(folder)], None, IndexOptions(model="static", embed=False))
    shutil.move(folder / "sub/b.txt", folder / "sub/moved.txt")
    report = run_while(folder, lambda: swap(folder / "sub/moved.txt", "../../secret/b.txt"))
    assert report.files["renamed"] == 0 and secrets(folder) == []
    assert ("sub/moved.txt", NOT_FOLLOWED) in report.skipped


def test_a_link_that_is_followed_cannot_be_bent_out_of_the_folder(folder: Path) -> None:
    (folder / "in.txt").symlink_to("sub/b.txt")
    (folder / "inside").symlink_to("sub")

    def bend() -> None:
        for name, target in (("in.txt", "../secret/b.txt"), ("inside", "../secret")):
            (folder / name).unlink()
            (folder / name).symlink_to(target)

    options = IndexOptions(model="static", embed=False, follow=True)
    report = run_while(folder, bend, options)
    left = {"in.txt", "inside/b.txt", "inside/deep/c.txt"}
    assert dict(report.skipped) == dict.fromkeys(left, LEAVES_FOLDER) and report.indexed == 3
    assert secrets(folder) == []


def test_a_file_that_an_editor_replaced_meanwhile_is_read_as_it_is_now(folder: Path) -> None:
    def save() -> None:
        write(folder, {"a.txt~": "Tulips are in bloom.\n"})
        os.replace(folder / "a.txt~", folder / "a.txt")

    report = run_while(folder, save)
    assert (report.indexed, report.failed, report.skipped) == (3, [], [])
    with Searcher(str(folder / ".semsearch")) as searcher:
        assert searcher.search("tulips", SearchOptions(mode="lexical")).hits[0].path == "a.txt"
    assert index_folders([str(folder)]).files["unchanged"] == 3


def test_named_files_are_not_read_through_links_either(semsearch: Command, folder: Path) -> None:
    semsearch("index", folder, "--model", "static", "--no-embed")
    (folder / "out.txt").symlink_to("../secret/a.txt")
    (folder / "out").symlink_to("../secret")
    (folder.parent / "names").write_text(f"{folder}/out.txt\n{folder}/out/b.txt\n{folder}/sub/../out/deep/c.txt\n")
    for follow, reason in (((), NOT_FOLLOWED), (("--follow",), LEAVES_FOLDER)):
        run = semsearch("index", folder, "--files-from", folder.parent / "names", "--json", "--no-embed", *follow)
        told = {one["path"]: one["reason"] for one in run.json["skipped"]}
        assert told == dict.fromkeys(("out.txt", "out/b.txt", "out/deep/c.txt"), reason)
        assert secrets(folder) == []


_SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
for name, target in (("f.txt", sys.argv[2] + "/a.txt"), ("d", sys.argv[2])):
    os.symlink(target, name + ".link")
print("ready", flush=True)
while True:
    for name in ("f.txt", "d"):
        os.rename(name, name + ".real"); os.rename(name + ".link", name)
        os.rename(name, name + ".link"); os.rename(name + ".real", name)
"""


@pytest.mark.slow
@pytest.mark.parametrize("follow", [False, True])
def test_somebody_who_swaps_names_all_the_time_gets_nothing_into_the_index(
    semsearch: Command, tmp_path: Path, follow: bool
) -> None:
    """A process of another user, where that can be, that exchanges a file and a folder for links as fast as it can."""
    write(tmp_path, {"docs/a.txt": "Roses.\n", "docs/f.txt": "Ferries.\n", "secret/a.txt": SECRET})
    write(tmp_path, {f"docs/d/{name}/a.txt": "Bread.\n" for name in "abcdefgh"})
    write(tmp_path, {f"secret/{name}/a.txt": SECRET for name in "abcdefgh"})
    as_other = []
    if os.geteuid() == 0 and shutil.which("setpriv"):
        as_other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in (tmp_path / "docs", *(tmp_path / "docs").rglob("*")):
            os.chown(path, 65534, 65534)
        for path in (tmp_path, *list(tmp_path.parents)[:-2]):
            path.chmod(path.stat().st_mode | 0o011)
        (tmp_path / "secret").chmod(0o700)
    index = tmp_path / "index"
    swapper = subprocess.Popen(
        [*as_other, sys.executable, "-I", "-c", _SWAPPER, str(tmp_path / "docs"), str(tmp_path / "secret")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert swapper.stdout is not None and swapper.stdout.readline() == "ready\n"
        more = ["--follow"] if follow else []
        for _ in range(6):
            run = semsearch(
                "index", tmp_path / "docs", "-i", index, "--no-embed", "--model", "static", "--prune", *more
            )
            assert run.code == 0, run.err
            assert "defect" not in run.err
            found = semsearch("search", "xylophone", "-i", index, "--mode", "lexical", "-l")
            assert (found.code, found.out) == (1, ""), found
            more = ["--rebuild"]
        assert swapper.poll() is None, "it swapped all the time"
    finally:
        swapper.kill()
        swapper.wait()
