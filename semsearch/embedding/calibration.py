"""Measures which languages a model knows, on eight question-answer pairs in each of eight languages.

The weight of dense search follows what the model understands: an English model gives a German text a vector, too, but
a useless one. At query time the sign of an unknown language is the query's fertility, its subword tokens per word (Rust
et al. 2021, "How Good is Your Tokenizer?", section 3). This module measures, once per model, up to which fertility a
model still tells right answers from wrong ones. MiniLM does in English (separation 5.8) and in no other of the
languages (< 0.9).
"""

import json
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import Calibration
from semsearch.lexical.words import words_of

# (mean cosine of question and own answer - mean with other answers) / standard deviation of the latter.
_LEAST_SEPARATION = 2.0
# Of each language, and all in one.
_SAMPLED_PAIRS, _SAMPLED_WHOLE = 2, ("en", "zh")
# What an unknown token counts as: it carries no meaning, which is worse than a word in several pieces.
_UNKNOWN_COST = 5


def calibrate(
    encode_queries: Callable[[Sequence[str]], Vectors],
    encode: Callable[[Sequence[str]], Vectors],
    tokens: Callable[[str], Sequence[str]],
) -> Calibration:
    """The Calibration of a model.

    `encode_queries` and `encode` return (n, dim) unit rows of questions and of passages; `tokens` splits a text into
    subword tokens.
    """
    separation: dict[str, float] = {}
    background: dict[str, float] = {}
    related: dict[str, float] = {}
    fertility_of: dict[str, float] = {}
    for language, pairs in _pairs().items():
        cosines = encode_queries([question for question, _ in pairs]) @ encode([answer for _, answer in pairs]).T
        own = np.eye(len(pairs), dtype=bool)
        others = cosines[~own]
        background[language] = float(others.mean())
        related[language] = float(cosines[own].mean())
        separation[language] = float((cosines[own].mean() - others.mean()) / max(float(others.std()), 1e-6))
        texts = [text for pair in pairs for text in pair]
        fertility_of[language] = float(np.mean([fertility(text, tokens(text)) for text in texts]))
    known = [language for language, value in separation.items() if value >= _LEAST_SEPARATION]
    by_script: dict[str, float] = {}
    for language in known:
        script = script_of(_pairs()[language][0][1])
        by_script[script] = round(max(by_script.get(script, 0.0), fertility_of[language]), 4)
    best = max(separation, key=lambda language: separation[language])
    return Calibration(
        background=round(background[best], 4),
        fertility=by_script,
        related=round(related[best], 4),
        separation=round(separation[best], 4),
    )


def sample_texts() -> list[str]:
    """Texts on which an export is compared with its reference: short ones in all eight languages, and long ones in the
    two whose scripts have least in common. More would find nothing more, and a reference takes its time: it is computed
    in full precision."""
    short = [text for of_language in _pairs().values() for pair in of_language[:_SAMPLED_PAIRS] for text in pair]
    long = [" ".join(text for pair in _pairs()[language] for text in pair) for language in _SAMPLED_WHOLE]
    return short + long


def fertility(text: str, tokens: Sequence[str]) -> float:
    """Subword `tokens` of `text` per word; punctuation is not counted, an unknown token counts as five."""
    words = max(1, len(words_of(text)))
    size = 0
    for token in tokens:
        if token in ("[UNK]", "<unk>"):
            size += _UNKNOWN_COST
        else:
            size += any(character.isalnum() for character in token)
    return size / words


def script_of(text: str) -> str:
    """The script of most letters of `text`, from their Unicode names: latin, cyrillic, cjk ...; "" without letters."""
    counts: dict[str, int] = {}
    for character in text:
        if character.isalpha():
            script = _script(character)
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=lambda script: counts[script]) if counts else ""


@cache
def _script(character: str) -> str:
    first = unicodedata.name(character, "").split(" ")[0].split("-")[0].lower()
    return "cjk" if first in ("cjk", "hiragana", "katakana", "halfwidth") else first


@cache
def _pairs() -> dict[str, list[list[str]]]:
    text = resources.files("semsearch.embedding").joinpath("calibration_texts.json").read_text("utf-8")
    return {language: pairs for language, pairs in json.loads(text).items() if language != "about"}
