"""What a model thinks is kept apart from what it says, however it is marked and wherever the pieces are cut."""

import pytest

from semsearch.answering.llm.thoughts import ThoughtSplitter

GOOD = "The bearing is greased every 700 hours [1], 5 < 6."
FORMS = {
    "think": f"<think>The user asks [1].</think>\n\n{GOOD}",
    "thinking": f"<thinking>hm</thinking>{GOOD}",
    "reasoning": f"<reasoning>hm</reasoning>\n{GOOD}",
    "seed": f"<seed:think>hm</seed:think>{GOOD}",
    "magistral": f"[THINK]hm[/THINK]{GOOD}",
    "kimi": f"◁think▷hm◁/think▷{GOOD}",
    "cohere": f"<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>{GOOD}<|END_RESPONSE|>",
    "harmony": f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>",
    "harmony without its tokens": f"analysisThe user asks.assistantfinal{GOOD}",
    "gemma": f"<|channel>thought\nhm<channel|>{GOOD}",
    "no opening mark": f"The user asks.\n</think>\n\n{GOOD}",
    "end marks": f"{GOOD}<|im_end|>\n<|im_start|>user\nmore?",
    "end of sentence": f"{GOOD}</s>",
    "colours": f"\x1b[31m{GOOD}\x1b[0m\x1b]0;title\x07",
    "none": GOOD,
}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 1000])
@pytest.mark.parametrize("name", FORMS)
def test_only_the_answer_is_said(name: str, size: int) -> None:
    text = FORMS[name]
    splitter = ThoughtSplitter()
    pieces = [piece for at in range(0, len(text), size) for piece in splitter.feed(text[at : at + size])]
    said = ""
    for kind, piece in [*pieces, *splitter.end()]:
        said = "" if kind == "retracted" else said + piece if kind == "said" else said
    assert said.strip() == GOOD
    assert not splitter.thinking


@pytest.mark.parametrize("text", ["<think>hm", "<|channel|>analysis<|message|>hm", "[THINK]hm"])
def test_a_reply_that_ends_within_a_thought_says_nothing(text: str) -> None:
    splitter = ThoughtSplitter()
    assert all(kind == "thought" for kind, _ in [*splitter.feed(text), *splitter.end()])
    assert splitter.thinking


@pytest.mark.parametrize(
    "text", ["Write `<think>` before it.", "An <analysis> of <s>old</s> values", "a <b> [A] c", "analysis of it"]
)
def test_what_only_looks_like_a_mark_is_said(text: str) -> None:
    splitter = ThoughtSplitter()
    assert "".join(piece for _, piece in [*splitter.feed(text), *splitter.end()]) == text
