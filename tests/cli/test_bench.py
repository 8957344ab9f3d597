"""`bench` as a command: tables, pictures, bad input."""

import sys
from pathlib import Path

import pytest

from semsearch.errors import SemsearchError
from semsearch.evaluation import plots
from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command


@pytest.fixture
def index(notes: Path) -> Path:
    index_folders([str(notes)], None, IndexOptions(model="static"))
    return notes / ".semsearch"


@pytest.mark.slow
def test_speed_says_where_the_time_goes(semsearch: Command, index: Path) -> None:
    flags = ("--chunks", 3, "--rounds", 1)
    record = semsearch("bench", "speed", "-i", index, *flags, "--json").json
    assert record["schema"] == "semsearch.bench/1" and record["bench"] == "speed"
    assert set(record["encoding_chunks_a_second"]) == {"static"}
    assert all(speed > 0 for speed in record["encoding_chunks_a_second"]["static"].values())
    cold = record["cold_ms"]
    assert 0 < cold["start of Python"] < cold["search"]
    assert record["warm_ms"]["p50"] <= record["warm_ms"]["p95"] and sum(record["steps_ms"].values()) > 0
    plain = semsearch("bench", "speed", "-i", index, *flags)
    assert "where the time goes" in plain.out and "batches of 32" in plain.out


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_pictures(semsearch: Command, index: Path, tmp_path: Path, suffix: str, begins: bytes) -> None:
    for bench, flags in (("vectors", ("--queries", 10, "--sample", 100)), ("quality", ("--questions", 5))):
        picture = tmp_path / (bench + suffix)
        assert semsearch("bench", bench, "-i", index, "--plot", picture, *flags).code == 0
        assert picture.read_bytes().startswith(begins) and picture.stat().st_size > 5000


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_measured(
    semsearch: Command, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, says in (("out.pdf", "neither .png nor .svg"), ("gone/out.png", "no such folder")):
        done = semsearch("bench", "vectors", "-i", index, "--plot", tmp_path / name)
        assert done.code == 2 and says in done.err and "measuring" not in done.err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SemsearchError, match="needs the package matplotlib"):
        plots.check(str(tmp_path / "out.png"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("quality", "--queries", "q.txt"), "--queries and --qrels belong together"),
        (("quality", "--beir", "b", "--queries", "q", "--qrels", "q"), "--beir brings its own"),
        (("quality", "--beir", "nowhere"), "is missing"),
        (("quality", "--alpha", "2"), "--alpha is out of range"),
        (("quality", "--dims", "many"), "is not a list of numbers"),
        (("quality", "--dims", "4000"), "is out of range"),
        (("quality", "--fail-under", "ndcg=1"), "is not METRIC=VALUE"),
        (("quality", "--questions", "0"), "too few"),
        (("quality", "--model", "nonesuch"), "nonesuch"),
        (("quality", "--rerank", "nonesuch"), "nonesuch"),
        (("vectors", "--sample", "2"), "too small"),
        (("speed", "--rounds", "0"), "must be 1 or more"),
        (("vectors", "-i", "nowhere"), "nowhere"),
        (("weight",), "weight"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    semsearch: Command, index: Path, arguments: tuple[str, ...], says: str
) -> None:
    where = () if "-i" in arguments or arguments == ("weight",) else ("-i", index)
    done = semsearch("bench", *arguments, *where)
    assert done.code == 2 and done.out == ""
    last = [line for line in done.err.splitlines() if line.startswith("semsearch: ")][-1]
    assert says in last
