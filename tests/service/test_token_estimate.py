"""Texts are divided by the tokens that they have, about, and nothing of them is lost."""

import pytest

from semsearch.service.token_estimate import parts_of, tokens_in


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a short line",
        " ".join(f"whale {number}" for number in range(5_000)),
        "x" * 10_000,
        "short then " + "y" * 5_000 + " and more words" * 500,
        "鯨は海を泳ぐ。" * 2_000,
        "😀" * 3_000,
        "0123456789" * 1_000,
        "one" + " " * 5_000 + "two",
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("most", [50, 800])
def test_parts_are_bounded_and_all_of_the_text(text: str, most: int) -> None:
    parts = parts_of(text, most)
    assert "".join(parts) == text
    assert all(tokens_in(part) <= most + 4 for part in parts)
    assert len(parts) == 1 or all(parts)


def test_what_is_short_enough_is_one_part() -> None:
    line = "The ferry leaves at ten. " * 100
    assert parts_of(line, 1_000) == [line]
