"""A dry run tells what a run would do and encode, and the run then does just that."""

import os
import shutil
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.folders import write


def snapshot_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def both(folder: Path, index: Path, **flags: object) -> None:
    """A dry run writes nothing, and the run after it has the same counts and encodes as many chunks as it said."""
    before = snapshot_of(index) if index.exists() else None
    dry = index_folders([str(folder)], str(index), IndexOptions(dry_run=True, **flags))  # type: ignore[arg-type]
    assert (snapshot_of(index) if index.exists() else None) == before
    done = index_folders([str(folder)], str(index), IndexOptions(**flags))  # type: ignore[arg-type]
    # A dry run does not open what it lists: a file that cannot be read is found by the run.
    unreadable = len(done.failed) + len([path for path, _ in done.skipped if path == "picture.png"])
    assert dry.files["added"] + dry.files["changed"] - unreadable <= done.files["added"] + done.files["changed"]
    assert (dry.files["removed"], dry.files["renamed"]) == (done.files["removed"], done.files["renamed"])
    assert (dry.estimate.chunks if dry.estimate else 0) == done.chunks["encoded"]


@pytest.mark.slow
def test_of_a_new_folder(folder: Path, tmp_path: Path) -> None:
    both(folder, tmp_path / "none", model="static")


def test_of_changes(folder: Path, tmp_path: Path) -> None:
    write(folder, {"new.txt": "Something new.\n", "a.txt": "Prune the roses in autumn.\n"})
    shutil.move(folder / "b.txt", folder / "ferry.txt")
    both(folder, tmp_path / "index")


def test_what_is_the_same_is_found_by_its_content(folder: Path, tmp_path: Path) -> None:
    """Files as young as these may have changed once more within the resolution of their time stamp."""
    index = str(tmp_path / "index")
    (folder / "empty.txt").touch()
    (folder / "link.txt").symlink_to("a.txt")
    index_folders([str(folder)], index)
    before = snapshot_of(tmp_path / "index")
    for number, flags in enumerate(({}, {"verify": True}, {"files_from": [str(folder / "a.txt")]})):
        os.utime(folder / "a.txt", (10**9 + number,) * 2)
        dry = index_folders([str(folder)], index, IndexOptions(dry_run=True, **flags))  # type: ignore[arg-type]
        assert dry.summary().startswith("would be: up to date"), flags
        assert dry.estimate is None
        assert dry.files["unchanged"] == (1 if "files_from" in flags else 3)
    assert snapshot_of(tmp_path / "index") == before
    assert index_folders([str(folder)], index, IndexOptions(dry_run=True, rebuild=True)).files["changed"] == 3


def test_of_chunks_that_are_pending(folder: Path, tmp_path: Path) -> None:
    write(folder, {"new.txt": "Something new.\n"})
    index_folders([str(folder)], str(tmp_path / "index"), IndexOptions(embed=False))
    both(folder, tmp_path / "index")


@pytest.mark.slow
def test_of_a_rebuild_with_another_model(folder: Path, tmp_path: Path) -> None:
    both(folder, tmp_path / "index", rebuild=True, model="all-MiniLM-L6-v2")


def test_it_says_what_would_be_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").unlink()
    (folder / "b.txt").unlink()
    dry = index_folders([str(folder)], str(tmp_path / "index"), IndexOptions(dry_run=True))
    assert "2 of 3 indexed files are gone" in dry.refused and dry.estimate is None
    assert not index_folders([str(folder)], str(tmp_path / "index"), IndexOptions(dry_run=True, prune=True)).refused
    shutil.rmtree(folder)
    dry = index_folders([], str(tmp_path / "index"), IndexOptions(dry_run=True))
    assert dry.refused == f"the indexed folder {folder} is gone"


@pytest.mark.slow
def test_the_price_of_a_provider_is_estimated(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    options = IndexOptions(dry_run=True, model="text-embedding-3-small")
    estimate = index_folders([str(folder)], str(tmp_path / "none"), options).estimate
    assert estimate is not None and estimate.chunks == 3 and estimate.usd is not None and estimate.usd > 0
