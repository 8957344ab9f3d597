"""An error that nobody foresaw is called a defect of semsearch, by every command, and never damage of the index."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.cli import unchanged
from semsearch.cli.app import failed, run
from semsearch.indexing import IndexOptions, index_folders
from tests.support.folders import NOTES, write

pytestmark = pytest.mark.slow

# What decoding a damaged value raises, and so what must not be taken for it elsewhere.
ERRORS = [TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError]
# Where a search goes through: planning, the store, both legs, what is made of its rows, the hits.
IN_A_SEARCH = [
    "semsearch.retrieval.plan.analyze_query",
    "semsearch.retrieval.candidates.query_coverage",
    "semsearch.retrieval.hydrate._hit",
    "semsearch.retrieval.searcher.highlighted",
    "semsearch.store.filtering.matching_files",
    "semsearch.store.local.segment_search.lexical_ranking",
    "semsearch.store.allowed.Allowed.rows",
    "semsearch.store.local.scoring.search",
    "semsearch.store.local.segment_search.open_dense",
    "semsearch.dense.coded_vectors.CodedVectors.search",
    "semsearch.lexical.postings.Postings.find",
    "semsearch.store.local.rows.passages",
    "semsearch.store.local.rows.hash_of",
    "semsearch.store.local.segment_folder.checked_folder",
]
IN_A_RUN = [
    "semsearch.indexing.pipeline.resolve_settings",
    "semsearch.indexing.pipeline.compare_folders",
    "semsearch.indexing.commit.Committer._record",
    "semsearch.lexical.postings.build",
    "semsearch.store.local.transaction.LocalTransaction.put_file",
    "semsearch.store.local.merging.mergeable",
]
IN_A_STAT_CHECK = [
    "semsearch.store.local.stat_check.compare",
    "semsearch.store.local.stat_check.check_catalog",
    "semsearch.store.local.catalog.Catalog.stamps",
    "semsearch.store.local.stat_check.walk",
    "semsearch.store.local.stat_check.display_path",
    "semsearch.cli.unchanged._parse",
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, one of its files a picture, with an index that is up to date."""
    folder = tmp_path_factory.mktemp("defects") / "notes"
    write(folder, {**NOTES, "picture.png": b"\x89PNG\r\n\x1a\n\0\0"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "notes")
    return tmp_path / "notes"


def break_(monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception]) -> None:
    """Makes the function `name` raise `error`."""

    def broken(*arguments: object, **named: object) -> None:
        raise error("wrong")

    monkeypatch.setattr(name, broken)


def assert_called_a_defect(code: int, said: str, error: type[Exception]) -> None:
    assert code == 2
    assert f"unexpected {error.__name__}: " in said
    assert "this is a defect in semsearch" in said
    assert "damaged" not in said and "repair" not in said


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", IN_A_SEARCH)
def test_a_defect_in_a_search_is_called_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, error: type[Exception]
) -> None:
    monkeypatch.delenv("SEMSEARCH_DEBUG", raising=False)
    break_(monkeypatch, name, error)
    code = run(["search", "sourdough rest", "--path", "kitchen/", "-i", str(folder)])
    assert_called_a_defect(code, capfd.readouterr().err, error)


@pytest.mark.parametrize(("name", "error"), zip(IN_A_RUN, ERRORS, strict=True))
def test_a_defect_in_a_run_of_index_is_called_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, error: type[Exception]
) -> None:
    monkeypatch.delenv("SEMSEARCH_DEBUG", raising=False)
    write(folder, {"new.txt": "Something new.\n"})
    break_(monkeypatch, name, error)
    code = run(["index", str(folder), "-q", "--no-embed"])
    assert_called_a_defect(code, capfd.readouterr().err, error)
    monkeypatch.undo()
    assert run(["index", str(folder), "-q", "--no-embed"]) == 0  # nothing is left in a state that it cannot go on from


@pytest.mark.parametrize("command", [["status"], ["status", "--files"], ["why", "bread", "kitchen/bread.txt"]])
def test_a_defect_in_other_readers_is_called_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.delenv("SEMSEARCH_DEBUG", raising=False)
    break_(monkeypatch, "semsearch.store.local.rows.index_info", KeyError)
    assert_called_a_defect(run([*command, "-i", str(folder)]), capfd.readouterr().err, KeyError)


@pytest.mark.parametrize(("name", "error"), zip(IN_A_STAT_CHECK, ERRORS, strict=True))
def test_a_defect_in_the_unchanged_run_is_not_hidden_by_the_full_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, error: type[Exception]
) -> None:
    index_folders([str(folder)], None, IndexOptions())  # the copies have inodes of their own
    assert unchanged.answer([str(folder), "-q"])[0]
    monkeypatch.delenv("SEMSEARCH_DEBUG", raising=False)
    break_(monkeypatch, name, error)
    with pytest.raises(error) as raised:
        unchanged.answer([str(folder), "-q"])
    assert_called_a_defect(failed(raised.value, ["index"]), capfd.readouterr().err, error)


# A process that breaks a function before it runs the command.
_BREAK = """
import importlib, sys
name, attribute, error = sys.argv[1:4]
def broken(*arguments, **named):
    raise getattr(__import__("builtins"), error)("wrong")
setattr(importlib.import_module(name), attribute, broken)
sys.argv[1:4] = []
from semsearch.cli import main
main()
"""


def test_debugging_shows_where_a_defect_is(folder: Path) -> None:
    for command, name, attribute in (
        (["search", "sourdough", "-i", str(folder)], "semsearch.retrieval.hydrate", "_hit"),
        (["index", str(folder)], "semsearch.cli.unchanged", "_parse"),
    ):
        arguments = [sys.executable, "-c", _BREAK, name, attribute, "IndexError", *command]
        plain = {name: value for name, value in os.environ.items() if name != "SEMSEARCH_DEBUG"}
        done = subprocess.run(arguments, capture_output=True, text=True, env=plain)
        assert_called_a_defect(done.returncode, done.stderr, IndexError)
        assert "Traceback" not in done.stderr
        done = subprocess.run(arguments, capture_output=True, text=True, env={**plain, "SEMSEARCH_DEBUG": "1"})
        assert done.returncode != 0
        assert "Traceback" in done.stderr
        assert f"in {attribute}" in done.stderr or "in broken" in done.stderr
