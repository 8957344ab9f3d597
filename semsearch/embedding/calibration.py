"""What a model knows, measured on eight question-answer pairs in each of eight languages.

The weight of the dense leg must follow what the model understands: an English model still gives every German text
some vector. The sign used at query time is the fertility of the query, subword tokens per word (Rust et al. 2021,
"How Good is Your Tokenizer?", section 3); this module measures, once per model, up to which fertility it is blind to
nothing. Measured for MiniLM: it tells the answers apart in English (separation 5.8) and in no other language (< 0.9).
"""

import json
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources

import numpy as np

from semsearch.embedding.embedder import Calibration, Vectors
from semsearch.lexical.analyzer import words_of

# (mean cosine of question and own answer - mean with other answers) / standard deviation of the latter.
_TELLS_APART = 2.0
# An unknown token tells the model nothing: worse than a word in several pieces.
_UNKNOWN_COST = 5


def calibrate(
    encode_queries: Callable[[Sequence[str]], Vectors],
    encode: Callable[[Sequence[str]], Vectors],
    tokens: Callable[[str], Sequence[str]],
) -> Calibration:
    """The Calibration of the model behind the three functions."""
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
    known = [language for language, value in separation.items() if value >= _TELLS_APART]
    by_script: dict[str, float] = {}
    for language in known:
        script = script_of(_pairs()[language][0][1])
        by_script[script] = round(max(by_script.get(script, 0.0), fertility_of[language]), 4)
    best = max(separation, key=lambda language: separation[language])
    return Calibration(background=round(background[best], 4), fertility=by_script, related=round(related[best], 4))


def sample_texts() -> list[str]:
    """Texts on which a runtime is compared with its reference: short ones and long ones, in all the languages."""
    pairs = [text for of_language in _pairs().values() for pair in of_language for text in pair]
    long = [" ".join(text for pair in of_language for text in pair) for of_language in _pairs().values()]
    return pairs + long


def fertility(text: str, tokens: Sequence[str]) -> float:
    """Subword tokens per word of `text`; punctuation counts as neither, an unknown token as five."""
    words = max(1, len(words_of(text)))
    size = 0
    for token in tokens:
        if token in ("[UNK]", "<unk>"):
            size += _UNKNOWN_COST
        else:
            size += any(character.isalnum() for character in token)
    return size / words


def script_of(text: str) -> str:
    """The script most letters of `text` are in, by their Unicode names: latin, cyrillic, cjk, hangul ..."""
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
