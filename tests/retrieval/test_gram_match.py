import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.gram_match import gram_scores


@pytest.mark.parametrize(
    ("query", "akin", "strange"),
    [
        ("Wann wurde die Regierung gebildet?", "Die Bundesregierungen im Überblick", "Die Bäckereien im Überblick"),
        ("evlerimizden", "evlerinden biri", "arabalardan biri"),
        ("المدرسة", "مدرستنا الجديدة", "الحديقة الجديدة"),
        ("colour", "colourless water", "odourless water"),
    ],
)
def test_forms_and_compounds_of_a_word_are_akin(query: str, akin: str, strange: str) -> None:
    scores = gram_scores(query, [akin, strange])
    assert scores[0] > scores[1]


def test_case_and_width_do_not_matter() -> None:
    one, other = gram_scores("ＶＩＢＲＡＴＩＯＮ", ["a vibration", "A Vibration"])
    assert one == other > 0


def test_runs_of_a_word_end_with_it() -> None:
    assert gram_scores("now here", ["nowhere"])[0] < gram_scores("nowhere", ["nowhere"])[0]
    # What is shared by all says less than what one has.
    rare = gram_scores("turbine manual", ["turbine turbine", "manual turbine", "turbine log"])
    assert rare.argmax() == 1


@pytest.mark.parametrize("query", ["", "?", "a", "電池", "🙂"])
def test_nothing_to_compare(query: str) -> None:
    assert not gram_scores(query, ["a text", ""]).any()
    assert gram_scores(query, []).shape == (0,)


@given(st.text(max_size=50), st.lists(st.text(max_size=100), max_size=5))
def test_any_text(query: str, texts: list[str]) -> None:
    scores = gram_scores(query, texts)
    assert scores.shape == (len(texts),) and scores.dtype == np.float32
    assert (scores >= 0).all() and np.isfinite(scores).all()
