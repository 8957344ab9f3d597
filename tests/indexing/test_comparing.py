"""Folders are compared as the settings say, and what looks like an unmounted disk is refused."""

import shutil
from itertools import count
from pathlib import Path

import pytest

from semsearch.errors import SemsearchError
from semsearch.indexing import IndexOptions, Progress
from semsearch.indexing.comparing import (
    ComparedFolders,
    compare_folders,
    comparison_of,
    refuse_lost_roots,
    refuse_mass_delete,
    why_refused,
)
from semsearch.indexing.resolved_settings import resolve_settings, run_model, with_roots
from semsearch.store.protocol import Snapshot


def compared(snapshot: Snapshot, *folders: Path, **flags: object) -> ComparedFolders:
    options = IndexOptions(**flags)  # type: ignore[arg-type]
    settings = resolve_settings(snapshot, options, run_model(snapshot.info(), options, Progress()), "/i")
    ids = count(1 + max((root.id for root in settings.info.roots), default=0))
    info = with_roots(settings.info, [str(folder) for folder in folders], "", lambda: next(ids))
    assert info.rules is not None
    comparison = comparison_of(info.rules, info.generation, settings.new_readers, options, "/i")
    return compare_folders(snapshot, info.roots, comparison, options, {})


def test_flags_reach_the_comparison(snapshot: Snapshot) -> None:
    comparison = compared(snapshot, verify=True, retry=True, passwords=("tide",), hidden=True).comparison
    assert comparison.verify and comparison.retry and comparison.passwords and comparison.rules.hidden
    assert not comparison.new_readers and not comparison.new_grammars and comparison.location == "/i"
    assert compared(snapshot, rebuild=True).comparison.generation == snapshot.info().generation + 1


def test_a_new_folder_is_all_new(snapshot: Snapshot, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    found = compared(snapshot, tmp_path / "other")
    assert [root.label for root in found.roots] == ["folder", "other"] and found.lost == ()
    assert {root_id for root_id, *_ in found.changes.read} == {2} and found.changes.unchanged == 3


def test_a_folder_that_is_gone_is_lost_and_refused(snapshot: Snapshot, folder: Path) -> None:
    shutil.rmtree(folder)
    found = compared(snapshot)
    assert [root.path for root in found.lost] == [str(folder)] and len(found.changes.remove) == 5
    with pytest.raises(SemsearchError, match="is gone; nothing was changed") as caught:
        refuse_lost_roots(found.roots, "/i")
    assert caught.value.code == "root_gone" and "--prune" in caught.value.hint


def test_a_run_that_would_drop_most_files_is_refused(snapshot: Snapshot, folder: Path) -> None:
    assert why_refused(snapshot, compared(snapshot)) == ""
    refuse_mass_delete(snapshot, compared(snapshot), "/i")
    (folder / "a.txt").unlink()
    (folder / "b.txt").unlink()
    with pytest.raises(SemsearchError, match="2 of 3 indexed files are gone") as caught:
        refuse_mass_delete(snapshot, compared(snapshot), "/i")
    assert caught.value.code == "would_drop" and "--prune --index /i" in caught.value.hint
