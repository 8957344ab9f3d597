"""Texts are gone through at once and come back in their order; an error begins no other."""

import pytest

from semsearch.embedding import each_text as module
from semsearch.embedding.each_text import each_text


def test_what_is_made_stands_in_the_order_of_the_texts() -> None:
    texts = ["a" * (number * 7 % 11) + str(number) for number in range(50)]
    told: list[int] = []
    assert each_text(texts, str.upper, told.append) == [text.upper() for text in texts]
    assert told == [1] * 50
    assert each_text([], str.upper) == []


def test_after_an_error_no_other_text_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "core_count", lambda: 1)
    begun: list[str] = []

    def make(text: str) -> str:
        begun.append(text)
        raise ValueError(text)

    with pytest.raises(ValueError, match="aaa"):
        each_text(["a", "aaa", *("aa" for _ in range(1000))], make)
    assert begun[0] == "aaa", "the longest first"
    assert len(begun) < 1002
