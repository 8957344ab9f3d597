"""Labels in the forms that others write: BEIR folders and TREC qrels."""

from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.evaluation.labels import Beir, file_name, read_qrels
from tests.support.beir_folders import beir


def test_a_beir_folder(tmp_path: Path) -> None:
    folder = beir(
        tmp_path / "b",
        {"d/1": ("A title", "Some text"), "..": ("", "dots"), "ü n": ("", "spaces"), "l" * 300: ("", "long")},
        {"q1": "asked", "q2": "never judged"},
        ["q1\td/1\t2", "q1\t..\t0"],
    )
    found = Beir.open(str(folder))
    assert found.queries == {"q1": "asked"} and found.qrels == {"q1": {"d/1": 2, "..": 0}}
    assert found.write_documents(str(tmp_path / "files")) == 4
    texts = {path.name: path.read_text("utf-8") for path in (tmp_path / "files").iterdir()}
    assert texts == {file_name("d/1"): "A title\n\nSome text", file_name(".."): "dots", file_name("ü n"): "spaces",
                     file_name("l" * 300): "long"}  # fmt: skip
    assert not any(name.startswith(".") for name in texts)


@pytest.mark.parametrize("line", ["q1 0 d1 1", "q1\t0\td1\t1", "q1\td1\t1", "q1  0  d1  1.0", "q1 d1 1"])
def test_qrels_of_trec_and_of_beir(tmp_path: Path, line: str) -> None:
    (tmp_path / "qrels").write_text(f"\n{line}\nq2 0 d9 0\n")
    # Excel puts a byte order mark in front.
    (tmp_path / "marked").write_text(f"{line}\nq2 0 d9 0\n", "utf-8-sig")
    assert read_qrels(str(tmp_path / "marked")) == read_qrels(str(tmp_path / "qrels"))
    assert read_qrels(str(tmp_path / "qrels")) == {"q1": {"d1": 1}, "q2": {"d9": 0}}


@pytest.mark.parametrize(
    ("content", "says"),
    [("q1 0 d1 1\nnonsense\n", "line 2"), ("q1 0 d1 much\n", "line 1"), ("q1 0 d1 0.5\n", "line 1"),
     ("q1 0 d1 inf\n", "line 1"), ("q1 0 d1 3000000000\n", "line 1"), ("q1 0 d1 0\n", "no document relevant"),
     ("", "no document relevant")],
)  # fmt: skip
def test_what_is_no_qrels_file_is_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "qrels").write_text(content)
    with pytest.raises(UsageError, match=says):
        read_qrels(str(tmp_path / "qrels"))


def test_what_is_no_beir_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"corpus\.jsonl is missing"):
        Beir.open(str(tmp_path))
    folder = beir(tmp_path / "b", {"d": ("", "t")}, {"q": "t"}, ["q\td\t1"])
    (folder / "queries.jsonl").write_text('{"_id": "q"}\n')
    with pytest.raises(UsageError, match=r"queries\.jsonl, line 1"):
        Beir.open(str(folder))
