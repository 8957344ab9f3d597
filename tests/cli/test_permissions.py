"""An index that may not be read or written, and a disk that is full or read-only: told as such, and never as damage."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import COMMAND, Completed, one_line_error
from tests.support.folders import PROJECT, write

# Root without its capabilities is held to permissions like anybody else.
_PREFIX = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
Run = Callable[..., Completed]

pytestmark = pytest.mark.skipif(bool(_PREFIX) and shutil.which("setpriv") is None, reason="root may do everything")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "docs"
    write(folder, {"a.txt": "Emeralds are green.\n", "b.txt": "Rubies are red.\n"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    write(folder, {"new.txt": "Opals shimmer.\n"})
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=True)


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs the real command in `folder`, bound by its permissions."""

    def run(*arguments: str, cwd: Path = folder) -> Completed:
        done = subprocess.run(
            [*_PREFIX, sys.executable, "-m", "semsearch", *arguments],
            capture_output=True, text=True, cwd=cwd, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Completed(done.returncode, done.stdout, done.stderr)

    return run


@pytest.mark.parametrize(("part", "mode"), [("", 0o555), ("catalog.db", 0o444), ("segments", 0o555), ("lock", 0o444)])
def test_an_index_that_may_only_be_read_is_searched_and_not_written(
    run: Run, folder: Path, part: str, mode: int
) -> None:
    path = folder / ".semsearch" / part
    path.chmod(mode)
    done = run("index", ".", "--json")
    assert done.code == 2
    error = json.loads(done.err)["error"]
    assert error["code"] == "not_writable"
    assert str(path) in error["message"] and "Permission denied" in error["message"]
    assert (
        error["hint"] == f"give yourself permission to write {path}, or put the index somewhere else with: --index PATH"
    )
    assert run("search", "emeralds", "-l", "--mode", "lexical").out == "a.txt\n"
    assert run("status").code == run("verify").code == 0


@pytest.mark.parametrize("part", ["", "catalog.db"])
def test_an_index_that_may_not_be_read_is_not_said_to_be_missing_or_damaged(run: Run, folder: Path, part: str) -> None:
    (folder / ".semsearch" / part).chmod(0)
    for command in (
        ["search", "emeralds"],
        ["search", "emeralds", "-i", "."],
        ["status"],
        ["ask", "emeralds"],
        ["verify"],
    ):
        done = run(*command)
        assert done.code == 2
        message = one_line_error(done.err)
        assert f"{folder}/.semsearch/catalog.db: Permission denied" in message and "chmod" in message
    assert "cannot write" in one_line_error(run("index", ".").err)


def test_a_segment_that_may_not_be_read_is_not_said_to_be_damaged(run: Run, folder: Path) -> None:
    for path in (folder / ".semsearch" / "segments").glob("*/*"):
        path.chmod(0)
    for mode in ("lexical", "dense"):
        assert "Permission denied" in one_line_error(run("search", "emeralds", "--mode", mode).err)
    assert run("verify").code == 2


_SMALL_DISK = """
mount -t tmpfs -o size=1M tmpfs disk || exit 77
mkdir disk/docs; echo Emeralds are green. > disk/docs/a.txt
{command} index disk/docs --model static > /dev/null
echo Rubies are red. > disk/docs/b.txt
mount -o remount,ro disk; {command} index disk/docs; {command} search emeralds -l -i disk/docs; mount -o remount,rw disk
fill() {{ dd if=/dev/zero of=disk/fill bs=1k count=2000 status=none 2> /dev/null; }}
fill; {command} index disk/docs; {command} search emeralds -l -i disk/docs
rm -r disk/fill disk/docs/.semsearch; fill; {command} index disk/docs --model static
rm disk/fill; {command} index disk/docs --model static
rm -r disk/docs/.semsearch; {command} index large -i disk/large.index --model static
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can mount a small disk")
def test_a_disk_that_is_read_only_or_full(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    words = "".join(f"Gem {number}, word{number}.\n" for number in range(100_000))
    write(tmp_path, {"large/words.txt": words})
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", _SMALL_DISK.format(command=COMMAND)],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    if done.returncode in (1, 77):
        pytest.skip("no disk can be mounted here")
    index = f"{tmp_path}/disk/docs/.semsearch"
    read_only, full, new, large = done.stderr.splitlines()
    assert read_only.startswith(f"semsearch: cannot write the index {index}: Read-only file system (put")
    assert full.startswith(f"semsearch: {index}/catalog.db: No space left on device (free some space")
    assert new.startswith(f"semsearch: cannot write the index {index}: No space left on device (free some space")
    assert f"{tmp_path}/disk/large.index: " in large and "(free some space" in large
    *found, last = done.stdout.splitlines()
    assert found == ["disk/docs/a.txt", "disk/docs/a.txt"]
    assert last.startswith("2 files, 2 chunks: 2 added"), "what the full disk left stands in no way"


def test_a_folder_that_may_not_be_read_is_accounted_for(run: Run, folder: Path) -> None:
    write(folder, {"closed/old.txt": "Garnets are red.\n"})
    assert run("index", ".").code == 0
    write(folder, {"closed/young.txt": "Beryls are not.\n"})
    (folder / "closed").chmod(0)
    assert "closed/" in run("index", ".", "--json").out
    listed = json.loads(run("status", "--files", "--json").out)["files"]
    told = {one["path"]: (one["status"], one["reason"]) for one in listed if one["path"].startswith("closed")}
    reason = "cannot be read: Permission denied"
    assert told == {"closed/old.txt": ("indexed", f"its folder {reason}"), "closed/": ("failed", reason)}
    assert "closed/" in run("status", "--files", "--skipped").out
    for name in ("closed/young.txt", "closed"):
        why = json.loads(run("why", "beryls", name, "--json").out)
        assert (why["status"], why["reason"]) == ("failed", reason), name


@pytest.mark.parametrize("closed", ["docs", "."])
def test_an_indexed_folder_that_may_not_be_read_is_named(run: Run, folder: Path, tmp_path: Path, closed: str) -> None:
    """The folder itself, and one that it lies in: neither is gone, and its files are not said to be."""
    (folder / "new.txt").unlink()
    index = tmp_path.with_name(tmp_path.name + ".index")
    index_folders([str(folder)], str(index), IndexOptions(model="static"))
    home = Path(os.path.normpath(tmp_path / closed))
    home.chmod(0)
    try:
        at = ("-i", str(index))
        done = run("index", *at, cwd=index.parent)
        assert done.code == 0 and f"semsearch: failed {folder}: cannot be read: Permission denied" in done.err
        for flags in (("--dry-run",), ("--prune",), ()):
            assert json.loads(run("index", *at, *flags, "--json", cwd=index.parent).out)["files"]["removed"] == 0
        assert f"folder    {folder} (cannot be read)\n" in run("status", *at, cwd=index.parent).out
        listed = json.loads(run("status", "--files", "--json", *at, cwd=index.parent).out)["files"]
        reason = "cannot be read: Permission denied"
        assert {one["path"]: (one["status"], one["reason"]) for one in listed} == {
            str(folder): ("failed", reason),
            "a.txt": ("indexed", f"its folder {reason}"),
            "b.txt": ("indexed", f"its folder {reason}"),
        }
        why = run("why", "emeralds", f"{folder}/new.txt", "--json", *at, cwd=index.parent)
        assert (json.loads(why.out)["status"], json.loads(why.out)["reason"]) == ("failed", reason)
        assert f"its folder {reason}" in run("why", "emeralds", f"{folder}/a.txt", *at, cwd=index.parent).out
    finally:
        home.chmod(0o755)


def test_the_index_of_a_folder_that_may_not_be_seen_is_not_said_to_be_missing(run: Run, folder: Path) -> None:
    (folder / ".semsearch").chmod(0)
    for command in (["index"], ["index", "."], ["status"]):
        message = one_line_error(run(*command, "-i", str(folder)).err)
        assert f"{folder}/.semsearch/catalog.db: Permission denied" in message, command
    (folder / ".semsearch").chmod(0o700)
    folder.chmod(0)
    assert "cannot read the folder" in one_line_error(run("index", str(folder / "sub"), cwd=folder.parent).err)
    folder.chmod(0o700)
