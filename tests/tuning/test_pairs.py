"""Pairs that documents make of themselves, and passages that only seem to answer them."""

import numpy as np
import pytest

from semsearch.embedding.open import open_recorded
from semsearch.indexing import IndexOptions, index_folders
from semsearch.store.local.reader import Reader
from semsearch.tuning.negatives import MiningOptions, mine_negatives
from semsearch.tuning.pairs import Pair, encoded_texts, synthetic_pairs
from semsearch.tuning.training_set import TrainingSet, all_vectors, trainable_model
from tests.support.folders import write
from tests.support.jargon import silent

LONG = (
    "The mill grinds {grain} from dawn to dusk and its stones are dressed every spring by hand. "
    "Nobody remembers who cut them, but the {grain} they give is fine and white."
)
MAIZE = LONG.format(grain="maize")
GRAINS = ("barley", "wheat", "oats", "rye", "spelt", "millet")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    base = tmp_path_factory.mktemp("pairs")
    write(
        base / "folder",
        {f"{grain}.md": f"# How {grain} is ground\n\n{LONG.format(grain=grain)}\n" for grain in GRAINS}
        | {
            "plain.txt": LONG.format(grain="maize"),
            "copy.txt": LONG.format(grain="maize") + " Indeed.",
            "short.md": "# A\n\nB.\n",
        },
    )
    index_folders([str(base / "folder")], str(base / "index"), IndexOptions())
    return str(base / "index")


def test_headings_and_first_sentences_ask_for_what_no_longer_holds_them(index: str) -> None:
    reader = Reader(index)
    pairs = reader.read(lambda snapshot: synthetic_pairs(snapshot, 100, frozenset(), []))
    asked = {pair.query for pair in pairs}
    assert {f"How {grain} is ground" for grain in GRAINS} < asked
    assert sum(query.startswith("The mill grinds maize") for query in asked) == 1  # said twice, asked once
    for pair in pairs:
        assert pair.query not in pair.positive and len(pair.positive) >= 80
        assert pair.chunk in pair.answering
    assert reader.read(lambda snapshot: synthetic_pairs(snapshot, 100, frozenset(), [])) == pairs
    assert len(reader.read(lambda snapshot: synthetic_pairs(snapshot, 3, frozenset(), []))) == 3
    without = frozenset(pair.chunk for pair in pairs[:4])
    left = reader.read(lambda snapshot: synthetic_pairs(snapshot, 100, without, []))
    assert not {pair.chunk for pair in left} & without
    reader.close()


def test_negatives_are_near_but_no_answers(index: str) -> None:
    reader = Reader(index)

    def mined(exclude_likely_answers: bool) -> list[tuple[Pair, list[int]]]:
        def on(snapshot):  # type: ignore[no-untyped-def]
            pairs = synthetic_pairs(snapshot, 100, frozenset(), [])
            embedder = open_recorded(trainable_model(snapshot), silent)
            ids, passages = all_vectors(snapshot)
            positives = embedder.encode([pair.positive for pair in pairs])
            nothing = np.empty((0, passages.shape[1]), np.float32)
            training_set = TrainingSet([], nothing, ids, passages, [], [], embedder, {})
            options = MiningOptions(2, exclude_likely_answers)
            found = mine_negatives(snapshot, training_set, pairs, positives, options, silent)
            return list(zip(pairs, found, strict=True)), encoded_texts(snapshot, {int(chunk) for chunk in ids})

        found, text_of = reader.read(on)
        maize = next(chunks for pair, chunks in found if "maize" in pair.query)
        assert not any("maize" in text_of[chunk] for chunk in maize)  # the copy says the same
        return found

    for exclude in (True, False):
        for pair, chunks in mined(exclude):
            assert len(chunks) == len(set(chunks)) == 2
            assert not set(chunks) & pair.answering
    reader.close()


def test_ids_of_vectors_rise(index: str) -> None:
    reader = Reader(index)
    ids, vectors = reader.read(all_vectors)
    reader.close()
    assert (np.diff(ids) > 0).all() and vectors.shape == (len(ids), 384)
