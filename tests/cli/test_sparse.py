"""Learned sparse vectors on the command line: made, searched, told of, taken out, and refused where they cannot be."""

from pathlib import Path

import pytest

from tests.support.commands import Command
from tests.support.folders import write
from tests.support.tiny_sparse_models import make_bge_m3

pytestmark = pytest.mark.slow

TEXTS = {
    "pump.txt": "The old pump runs and stops.\n",
    "tide.txt": "Water of the tide in the valve.\n",
    "house.txt": "A house and the old water.\n",
}


@pytest.fixture
def index(semsearch: Command, tmp_path: Path, splade: Path) -> Path:
    write(tmp_path / "texts", TEXTS)
    made = semsearch("index", "texts", "-i", "made.index", "--model", "static", "--sparse", splade)
    assert made.code == 0 and "3 sparse vectors made" in made.out
    return tmp_path / "made.index"


def test_they_are_searched_explained_and_told_of(semsearch: Command, index: Path, splade: Path) -> None:
    done = semsearch("search", "old pump", "-i", index, "--mode", "sparse", "--json")
    assert done.json["mode"] == "sparse" and len(done.json["results"]) == 3
    for hit in done.json["results"]:
        assert hit["scores"]["sparse"] > 0 and hit["scores"]["lexical"] is None and hit["scores"]["dense"] is None
    explained = semsearch("search", "old pump", "-i", index, "--explain", "--min-score", "0", "-k", "1")
    assert "sparse 1.000 (score " in explained.out and "% of lexical)" in explained.out
    assert (
        "sparse"
        not in semsearch("search", "old pump", "-i", index, "--mode", "lexical", "--json").json["results"][0]["scores"]
    )
    status = semsearch("status", "-i", index)
    assert f"sparse    {splade}\n" in status.out
    assert semsearch("status", "-i", index, "--json").json["sparse"] == {"name": str(splade), "pending": 0}
    asked = semsearch("ask", "Does the old pump run?", "-i", index, "--mode", "sparse", "--min-score", "0", "--json")
    assert asked.code in (0, 1)


def test_verify_compares_the_vectors_that_it_makes(semsearch: Command, splade: Path) -> None:
    done = semsearch("models", "verify", splade, "--json")
    report = done.json["verified"]
    assert report["vocabulary"] == 101 and "dimensions" not in report and report["agreement"]["onnx-int8"] > 0.98
    assert len(report["fingerprint"]) == 64


def test_nothing_is_to_do_and_off_takes_them_out(semsearch: Command, index: Path, splade: Path) -> None:
    assert semsearch("index", "-i", index).out.startswith("3 files, 3 chunks: up to date")
    assert semsearch("verify", "-i", index).code == 0
    off = semsearch("index", "-i", index, "--sparse", "OFF")
    assert off.code == 0 and off.err == f"semsearch: the sparse vectors by {splade} are taken out\n"
    assert not semsearch("index", "-i", index, "--sparse", "off").err, "there are none"
    assert "name of the model is empty" in semsearch("index", "-i", index, "--sparse", "").err
    done = semsearch("search", "old pump", "-i", index, "--mode", "sparse")
    assert done.code == 2
    assert done.err == (
        f"semsearch: the index {index} holds no sparse vectors"
        f" (make them with: semsearch index --sparse MODEL --index {index})\n"
    )


def test_one_model_makes_both_kinds(semsearch: Command, tmp_path: Path) -> None:
    model = make_bge_m3(tmp_path / "made")
    write(tmp_path / "texts", TEXTS)
    prepared = semsearch("models", "prepare", model)
    assert [line.split(": ", 1)[1].split(", prepared")[0] for line in prepared.out.splitlines()] == [
        "onnx-int8, 48 numbers",
        "onnx-int8, sparse vectors over 101 tokens",
    ]
    made = semsearch("index", "texts", "-i", "both.index", "--model", model, "--sparse", model)
    assert "3 chunks encoded, 3 sparse vectors made" in made.out
    assert semsearch("search", "the tide", "-i", "both.index", "--mode", "sparse", "-q").code == 0


def test_what_makes_none_is_refused_in_a_line(semsearch: Command, tmp_path: Path, splade: Path) -> None:
    write(tmp_path / "texts", TEXTS)
    none = semsearch("index", "texts", "--sparse", "all-MiniLM-L6-v2")
    assert none.code == 2 and none.err.count("\n") == 1
    assert "the model all-MiniLM-L6-v2 makes no sparse vectors" in none.err
    dense = semsearch("index", "texts", "--model", splade)
    assert dense.code == 2 and f"name it with: semsearch index --sparse {splade}" in dense.err
    exported = semsearch("models", "export", splade, "out.tar")
    assert exported.code == 2 and "copy that folder" in exported.err
    missing = semsearch("index", "texts", "--sparse", "nonesuch/none")
    assert missing.code == 2 and "no model called nonesuch/none" in missing.err
    assert "(put its files into a folder and name that)" in missing.err


def test_an_index_of_another_machine_does_not_have_its_model_prepared(
    semsearch: Command, index: Path, tmp_path: Path, splade: Path
) -> None:
    elsewhere = {"SEMSEARCH_CACHE": str(tmp_path / "other-cache")}
    done = semsearch("search", "old pump", "-i", index, "--mode", "sparse", env=elsewhere)
    assert done.code == 2 and "which was not prepared on this machine" in done.err
    assert semsearch("search", "old pump", "-i", index, "--mode", "lexical", env=elsewhere).code == 0
    # A leg less is said, and stops nobody.
    hybrid = semsearch("search", "old pump", "-i", index, "--min-score", "0", env=elsewhere)
    assert hybrid.code == 0 and "searched without sparse vectors: the index names" in hybrid.err
    (tmp_path / "texts" / "new.txt").write_text("A new valve.\n")
    updated = semsearch("index", "-i", index, env=elsewhere)
    assert updated.code == 0 and "no sparse vectors are made: the index names" in updated.err
    assert "1 chunk without a sparse vector" in updated.out
    assert "1 sparse vector made" in semsearch("index", "-i", index).out


def test_a_database_has_none(semsearch: Command, tmp_path: Path, splade: Path) -> None:
    write(tmp_path / "texts", TEXTS)
    # Refused before anybody is asked.
    done = semsearch("index", "texts", "-i", "postgresql://127.0.0.1:1/none", "--sparse", splade)
    assert done.code == 2 and "index --sparse is for an index in a folder" in done.err
