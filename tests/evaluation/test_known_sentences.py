"""Words of one sentence find its passage, and results mark and show that sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.evaluation.known_sentences import measure_shown
from semsearch.evaluation.synthetic_queries import known_sentences
from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical.words import words_of
from semsearch.retrieval import searcher
from semsearch.retrieval.hit import Hit
from semsearch.store.opening import read_index
from tests.support.folders import write
from tests.support.jargon import silent


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sentences") / "folder"
    # No word stands in two sentences.
    stems = ("glazier", "lantern", "mends", "slowly", "orchard", "window", "copper", "ladder")
    code = "bcdfghklmn"
    sentences = [" ".join(f"{stem}{code[n // 10]}{code[n % 10]}" for stem in stems).capitalize() for n in range(90)]
    write(folder, {f"{n}.txt": ". ".join(sentences[3 * n : 3 * n + 3]) + ".\n" for n in range(30)})
    write(folder, {"short.txt": "Nothing much.\n"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return str(folder / ".semsearch")


def test_questions_are_words_of_their_sentence_in_its_order(index: str) -> None:
    asked = read_index(index, lambda snapshot: known_sentences(snapshot, 25))
    texts_of = read_index(index, lambda s: {n: text for n, _, text in s.texts(np.array([one.chunk for one in asked]))})
    assert len(asked) == len({one.chunk for one in asked}) == 25
    for one in asked:
        assert one.sentence in texts_of[one.chunk]
        words = list(words_of(one.sentence))
        places = [words.index(word) for word in one.text.split()]
        assert 3 <= len(places) <= 5 and places == sorted(places)
    assert asked == read_index(index, lambda snapshot: known_sentences(snapshot, 25)), "the same each time"


def test_what_is_found_is_marked_and_shown(index: str) -> None:
    report = measure_shown(index, 25, silent)
    assert report is not None and report.questions == 25
    assert report.first.mean > 0.7 and report.marked.mean > 0.7
    # The whole passage is short enough to be shown.
    assert report.shown.mean >= report.first.mean


def test_marks_at_another_place_are_counted_as_such(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = measure_shown(index, 25, silent)
    real = searcher.highlighted
    monkeypatch.setattr(searcher, "highlighted", lambda *given: [elsewhere(hit) for hit in real(*given)])
    report = measure_shown(index, 25, silent)
    assert shown is not None and report is not None and report.first == shown.first
    assert report.marked.mean == report.shown.mean == 0


def elsewhere(hit: Hit) -> Hit:
    return replace(hit, sentence=None, snippet="something else")


def test_an_index_without_sentences_has_nothing_to_show(tmp_path: Path) -> None:
    write(tmp_path / "folder", {"a.txt": "The ferry leaves.\n"})
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    assert measure_shown(str(tmp_path / "index"), 25, silent) is None
