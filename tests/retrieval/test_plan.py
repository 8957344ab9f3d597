"""A plan says which legs are asked, by which words and vector, and how much each counts."""

from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import Expansion, SearchOptions
from semsearch.retrieval.plan import plan_query
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.query_syntax import plain_query
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from tests.support.folders import write
from tests.support.planning import Planner


def test_a_hybrid_plan_has_words_and_a_unit_vector(planned: Planner) -> None:
    plan = planned("prune the roses")
    assert plan.mode == "hybrid" and plan.by_words and plan.smoothing and plan.calibration is not None
    assert any("rose" in key.text for word in plan.words for key in word)
    assert plan.vector is not None and plan.stored_vector is not None
    assert plan.vector.shape == (256,) and plan.vector.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(plan.vector), 1, rtol=1e-5)
    assert plan.alpha is None and plan.encoded == 1 and 0 <= plan.reliability <= 1


def test_words_alone_need_no_model(snapshot: Snapshot, index: str) -> None:
    encoder = QueryEncoder(lambda message: None, "")
    plan = plan_query(snapshot, plain_query("prune the roses"), SearchOptions(mode="lexical"), encoder, index)
    assert encoder.embedder is None
    assert (plan.mode, plan.alpha, plan.vector, plan.calibration, plan.smoothing) == ("lexical", 0, None, None, False)


def test_meaning_alone_counts_words_for_nothing(planned: Planner) -> None:
    plan = planned("prune the roses", mode="dense")
    assert plan.alpha == 1 and not plan.by_words and not plan.smoothing and plan.vector is not None


def test_a_weight_that_was_asked_for_is_taken(planned: Planner) -> None:
    assert planned("prune the roses", alpha=0.25).alpha == 0.25
    assert planned("prune the roses", alpha=0.25, mode="dense").alpha == 1


def test_words_that_the_model_does_not_know_weigh_more_as_words(planned: Planner) -> None:
    known, unknown = planned("prune the roses"), planned("xqzvbj wkrtpl qqzzxv")
    assert unknown.reliability < known.reliability


def test_each_unwanted_text_has_words_and_a_vector(planned: Planner) -> None:
    (unwanted,) = planned("roses", unlike=("the night ferry",)).unwanted
    assert unwanted.words and unwanted.vector is not None
    (unwanted,) = planned("roses", unlike=("the night ferry",), mode="lexical").unwanted
    assert unwanted.words and unwanted.vector is None


def test_an_adapter_moves_the_query(snapshot: Snapshot, encoder: QueryEncoder, index: str) -> None:
    plan = plan_query(snapshot, plain_query("roses"), SearchOptions(), encoder, index, adapt=lambda vector: -vector)
    plain = plan_query(snapshot, plain_query("roses"), SearchOptions(), encoder, index)
    assert plan.vector is not None and plain.vector is not None
    np.testing.assert_array_equal(plan.vector, -plain.vector)


def test_an_index_without_vectors_is_searched_by_words_or_not_at_all(tmp_path: Path) -> None:
    write(tmp_path / "folder", {"a.txt": "The ferry leaves at ten.\n"})
    index = str(tmp_path / "index")
    index_folders([str(tmp_path / "folder")], index, IndexOptions(model="static", embed=False))
    encoder = QueryEncoder(lambda message: None, "")
    plan = read_index(index, lambda one: plan_query(one, plain_query("ferry"), SearchOptions(), encoder, index))
    assert plan.mode == "lexical"
    with pytest.raises(SemsearchError, match="holds no vectors yet") as caught:
        read_index(
            index, lambda one: plan_query(one, plain_query("ferry"), SearchOptions(mode="dense"), encoder, index)
        )
    assert caught.value.code == "no_vectors"


def test_an_index_of_other_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "folder", {"a.txt": "The ferry leaves at ten.\n"})
    index = str(tmp_path / "index")
    index_folders([str(tmp_path / "folder")], index, IndexOptions(model="static", embed=False))
    monkeypatch.setattr("semsearch.settings.ANALYSIS_VERSION", 10_000)
    encoder = QueryEncoder(lambda message: None, "")
    with pytest.raises(SemsearchError, match="cuts texts into other words") as caught:
        read_index(index, lambda one: plan_query(one, plain_query("ferry"), SearchOptions(), encoder, index))
    assert caught.value.code == "settings_mismatch" and "--rebuild" in caught.value.hint


def test_what_was_asked_before_weighs_less_and_its_words_count_once(planned: Planner) -> None:
    alone = planned("how hot may the roses get")
    after = planned("how hot may the roses get", after="when is the night ferry, with roses")
    added = after.words[len(alone.words) :]
    assert after.words[: len(alone.words)] == alone.words
    assert added and all(key.weight < 0.5 for word in added for key in word)
    assert any("ferri" in key.text for word in added for key in word)
    assert not any("rose" in key.text for word in added for key in word)
    assert alone.vector is not None and after.vector is not None
    np.testing.assert_allclose(np.linalg.norm(after.vector), 1, rtol=1e-5)
    assert 0.5 < float(alone.vector @ after.vector) < 0.999
    assert planned("roses", after="the ferry", mode="lexical").vector is None


def test_other_ways_to_say_it_stand_beside_the_query(planned: Planner) -> None:
    expansion = Expansion(("the evening boat", "the last ship"), "The night ferry leaves at ten.")
    plan = planned("roses", expansion=expansion)
    assert plan.words == planned("roses").words, "the query stays what it is"
    assert [other.is_query for other in plan.beside] == [True, True, False]
    assert all(other.words and other.vector is not None for other in plan.beside)
    assert all(other.vector is None for other in planned("roses", expansion=expansion, mode="lexical").beside)
    assert planned("roses").beside == ()
