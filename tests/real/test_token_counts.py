"""Passages for agents, and the estimate that bounds them, against the tokens of a real vocabulary."""

import base64
import hashlib

import pytest
import tiktoken

from semsearch.maintenance.shown_file import ShownFile
from semsearch.retrieval.document_text import TextLine
from semsearch.service import mcp_server
from semsearch.service.operations import Shown, in_parts

pytestmark = pytest.mark.real

_MOST_TOKENS = 2_000


@pytest.mark.parametrize(
    "line",
    [
        "    if (x[i] != y[j]) { a += b->c(d, e); }",
        "0.84442,0.757954,0.420571,0.25891,0.511274,0.40493,0.78379",
        hashlib.sha256(b"whale").hexdigest(),
        base64.b64encode(hashlib.sha512(b"whale").digest()).decode(),
        "潮の満ち引きは月によって起こる。" * 3,
        "안녕하세요 세계는 넓고 할 일은 많다",
        "(){}[];:<>!@#$%^&*~`|" * 3,
        "🚀🌊🦀🎉🔥" * 10,
    ],
)
@pytest.mark.parametrize("is_one_line", [False, True])
def test_passages_fit_whatever_they_are_made_of(line: str, is_one_line: bool) -> None:
    texts = [line * 200] if is_one_line else [line] * 200
    whole = [TextLine(text, number, None, (), True) for number, text in enumerate(texts, 1)]
    lines = tuple(part for one in whole for part in in_parts(one, mcp_server.LONGEST_LINE))
    file = ShownFile("a.txt", "/a.txt", "", "txt", "", lines, True, "")
    text = mcp_server.passage_text(Shown(file, lines, 0, len(lines)))
    assert 800 <= len(tiktoken.get_encoding("cl100k_base").encode(text)) <= _MOST_TOKENS
