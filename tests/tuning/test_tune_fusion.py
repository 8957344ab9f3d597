"""Weights are learnt where they surely gain on questions that they were not learnt from, and nowhere else."""

import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.indexing.options import Progress
from semsearch.maintenance.quantization import QuantizeOptions, quantize
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import read_index
from semsearch.tuning.comparison import TuneReport
from semsearch.tuning.dropping import drop_learnt
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.tune_fusion import _best, _judged, tune_fusion
from tests.support.commands import Command
from tests.support.folders import write
from tests.support.jargon import silent
from tests.support.made_texts import DOES, WHAT, WHERE, WHO, texts

WANTED = FusionWeights(1.4, 0.2, 0.6)
ASKED = 30


def questions(count: int) -> dict[str, str]:
    chance = random.Random(8)
    parts = (WHO, DOES, WHAT, WHERE)
    return {str(number): " ".join(chance.choice(one) for one in parts) for number in range(count)}


def documents(index: Path, query: str, weights: FusionWeights | None = None) -> list[str]:
    with Searcher(str(index), remember=False) as searcher:
        if weights is not None:
            searcher.use_weights(weights)
        hits = searcher.search(query, SearchOptions(group="file", min_score=0, snippets=False)).hits
        return [hit.path for hit in hits]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("fusion")
    write(base / "folder", texts(120, 7))  # type: ignore[arg-type]
    index_folders([str(base / "folder")], str(base / "index"), IndexOptions(model="static"))
    return base / "index"


@pytest.fixture(scope="module")
def labels(original: Path) -> QuestionSource:
    """Questions of people who want what is ranked first by weights that are not the usual ones."""
    queries = questions(ASKED)
    wanted = {name: documents(original, text, WANTED)[:3] for name, text in queries.items()}
    return QuestionSource(queries=queries, qrels={name: dict.fromkeys(found, 1) for name, found in wanted.items()})


@pytest.fixture(scope="module")
def learnt(original: Path, labels: QuestionSource, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TuneReport]:
    """The index after it was tuned, and the report of that."""
    path = tmp_path_factory.mktemp("learnt") / "index"
    shutil.copytree(original, path)
    return path, tune(path, labels)


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def tuned(learnt: tuple[Path, TuneReport], tmp_path: Path) -> Path:
    shutil.copytree(learnt[0], tmp_path / "tuned")
    return tmp_path / "tuned"


def tune(index: Path, source: QuestionSource, dry_run: bool = False) -> TuneReport:
    return tune_fusion(str(index), source, silent, silent, dry_run=dry_run)


def kept(index: Path) -> object:
    return read_index(str(index), lambda snapshot: snapshot.info().fusion)


def test_what_people_want_is_learnt_used_and_dropped(
    index: Path, learnt: tuple[Path, TuneReport], tuned: Path, semsearch: Command
) -> None:
    report = learnt[1]
    assert report.changed and report.questions == ASKED and report.weights == WANTED.as_dict()
    (row,) = report.rows
    assert row.search == "hybrid" and row.difference.low > 0
    assert kept(tuned) == {**WANTED.as_dict(), "questions": ASKED}
    query = next(text for text in questions(60).values() if documents(index, text) != documents(index, text, WANTED))
    assert documents(tuned, query) == documents(index, query, WANTED)

    status = semsearch("status", "-i", tuned, "--json").json
    assert status["weights"] == {**WANTED.as_dict(), "questions": ASKED} and status["tuned"] is None
    plain = semsearch("status", "-i", tuned).out
    assert f"meaning 1.4, neighbours 0.2, letters 0.6, learnt from {ASKED} questions" in plain
    quantize(str(tuned), QuantizeOptions("int8", max_loss=0.999))
    index_folders([], str(tuned), IndexOptions(rebuild=True))
    assert kept(tuned), "neither other codes of the same vectors nor a rebuild takes it away"

    assert not drop_learnt(str(tuned), False, fusion=False), "there is no map of queries"
    assert kept(tuned)
    assert drop_learnt(str(tuned), False, adapter=False) and not drop_learnt(str(tuned), False)
    assert documents(tuned, query) == documents(index, query)


@pytest.mark.slow
def test_it_is_measured_against_what_is_usual(
    learnt: tuple[Path, TuneReport], tuned: Path, index: Path, labels: QuestionSource
) -> None:
    again = tune(tuned, labels, dry_run=True)
    assert again.rows == learnt[1].rows and any("learnt before" in notice for notice in again.notices)
    assert tune(index, labels, dry_run=True).better and kept(index) is None


def test_what_was_typed_counts_more_than_what_was_learnt(index: Path, tuned: Path) -> None:
    def weight(path: Path, **options: object) -> float | None:
        chosen = SearchOptions(explain=True, min_score=0, **options)  # type: ignore[arg-type]
        with Searcher(str(path)) as searcher:
            (first, *_) = searcher.search("our neighbour paints the boat", chosen).hits
        assert first.explanation is not None
        return first.explanation.alpha

    usual = weight(index)
    assert usual is not None and weight(tuned) == pytest.approx(min(1, 1.4 * usual), abs=1e-6)
    assert weight(tuned, alpha=0.25) == 0.25


def test_another_model_drops_the_weights(tuned: Path) -> None:
    told: list[str] = []
    options = IndexOptions(model="static", dim=64, rebuild=True)
    index_folders([], str(tuned), options, Progress(announce=told.append))
    assert kept(tuned) is None and any("tune again" in message for message in told)


@pytest.mark.slow
def test_nothing_is_kept_where_answers_are_drawn_by_lot(index: Path, labels: QuestionSource) -> None:
    chance, files = random.Random(3), sorted(texts(120, 7))
    lots = {name: {chance.choice(files): 1} for name in labels.qrels}
    report = tune(index, QuestionSource(queries=labels.queries, qrels=lots))
    assert not report.better and not report.changed and kept(index) is None


def test_too_little_to_learn_from_is_one_line(semsearch: Command, index: Path, tmp_path: Path, notes: Path) -> None:
    few = QuestionSource(queries=questions(60), qrels={str(n): {"7-1.txt": 1} for n in range(19)})
    with pytest.raises(UsageError, match="19 labelled questions are too few"):
        tune(index, few)
    index_folders([str(notes)], str(tmp_path / "words"), IndexOptions(embed=False))
    with pytest.raises(SemsearchError, match="holds no vectors yet"):
        tune(tmp_path / "words", few)
    write(tmp_path / "one", {"a.txt": "The ferry leaves at ten.\n"})
    write(tmp_path / "fifty", {f"{n}.txt": f"Berth {n} is let to boat {n}.\n" for n in range(50)})
    write(tmp_path / "some", texts(50, 9))  # type: ignore[arg-type]
    for folder in ("one", "fifty", "some"):
        index_folders([str(tmp_path / folder)], str(tmp_path / f"{folder}.index"), IndexOptions(model="static"))
        done = semsearch("tune", "--fusion", "-i", tmp_path / f"{folder}.index")
        assert done.code in (1, 2) and "Traceback" not in done.err, done.err
        assert done.err.splitlines()[-1].startswith("semsearch: "), done.err
        assert kept(tmp_path / f"{folder}.index") is None


def test_the_command(semsearch: Command, index: Path) -> None:
    for flags in (("--adapter",), ("--output", "x")):
        done = semsearch("tune", "--fusion", *flags, "-i", index)
        assert done.code == 2 and "exclude each other" in done.err
    done = semsearch("tune", "--fusion", "--questions", 25, "--dry-run", "--json", "-i", index)
    kinds = [row["search"] for row in done.json["rows"]]
    assert kinds == ["hybrid, known-item", "hybrid, paraphrase-like"]
    assert done.json["weights"].keys() == {"meaning", "neighbours", "letters"} and not done.json["changed"]
    assert done.code == (0 if done.json["better"] else 1)
    assert semsearch("tune", "--drop", "--fusion", "-i", index).code == 0


@pytest.mark.parametrize("value", ['{"meaning": "AAAA"}', "{}", "[1]", '{"meaning": 1e400, "neighbours": 0}'])
def test_weights_that_are_none_are_damage(semsearch: Command, index: Path, value: str) -> None:
    with sqlite3.connect(index / "catalog.db") as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('fusion', ?)", (value,))
    connection.close()
    (index / "catalog.crc").unlink()
    with pytest.raises(IndexDamagedError, match="weight"):
        documents(index, "the boat")
    assert semsearch("status", "-i", index).code == 0
    drop_learnt(str(index), False)
    assert documents(index, "the boat")


def gains(count: int, *means: float) -> np.ndarray:
    """nDCG@10 of `count` questions under the usual weights and others that gain `means`, with some noise."""
    noise = np.random.default_rng(2).normal(0, 0.02, (count, 1 + len(means)))
    return 0.5 + np.array([0, *means]) + noise


def test_made_questions_must_all_gain() -> None:
    """Words of a passage want less meaning, what was cut out wants more: neither alone says what people want."""
    words, cut = gains(200, 0.05, -0.05), gains(200, -0.02, 0.05)
    assert _best([words]) == 1 and _best([cut]) == 2 and _best([words, cut]) == 0
    assert not all(row.holds for row in _judged(["words", "cut"], [words, cut], 0))
    both = [gains(200, 0.05, -0.05), gains(200, 0.02, 0.05)]
    assert _best(both) == 1 and all(row.holds for row in _judged(["words", "cut"], both, 0))
    assert not all(row.holds for row in _judged(["words", "cut"], both, 0.02)), "less than they are wrong by"
    one_alone = [gains(200, 0.05, 0.0), np.full((200, 3), 1.0)]
    assert not all(row.holds for row in _judged(["words", "cut"], one_alone, 0)), "nothing can be gained on the other"
