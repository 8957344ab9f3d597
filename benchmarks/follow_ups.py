"""How often the right passage is first for a follow-up, with the question before and without: XQuAD, no model.

python -m benchmarks.follow_ups [COLLECTION...] [--questions N]

Pairs of questions are made of the collection's own: about one paragraph, about two of one article (five follow each
other), and about two articles. The second is asked as it is, or made elliptical by a rule: its names, its numbers and
the words that it shares with the first become "it", or but three of its other words stay, behind "and". How people
shorten questions may differ.
"""

import argparse
import random
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.retrieval_quality import build
from semsearch.answering.conversation import search_in_conversation
from semsearch.answering.turn import Turn
from semsearch.lexical.language import FUNCTION_WORDS
from semsearch.retrieval.hit import SearchResult
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.real_collections import Collection, load

_OPTIONS = SearchOptions(k=10, syntax=False, snippets=False, group="file", correct=False)
_A_LIKE = 5  # letters by which two words are taken for forms of one
_PARAGRAPHS_OF_AN_ARTICLE = 5
_PRONOUNS = {"en": ("it", "and"), "de": ("es", "und")}


class Pair(NamedTuple):
    """Two questions, one after the other, and the document that answers the second."""

    first: str
    second: str
    document: str


def pairs(collection: Collection, draw: random.Random) -> dict[str, list[Pair]]:
    """Kind of pair -> pairs, one for each question of the collection that can be made into one."""
    language = collection.name.rpartition("-")[2]
    function_words = FUNCTION_WORDS[language]
    it, also = _PRONOUNS[language]

    def told(text: str) -> set[str]:
        return {word.lower()[:_A_LIKE] for word in re.findall(r"[\w'-]+", text) if word.lower() not in function_words}

    def pointing(first: str, second: str) -> str:
        words: list[str] = []
        for number, word in enumerate(re.findall(r"[\w'-]+", second)):
            # German writes all nouns with a capital.
            named = language == "en" and number > 0 and (word[0].isupper() or word[0].isdigit())
            said = word.lower() not in function_words and (named or word.lower()[:_A_LIKE] in told(first))
            if not said:
                words.append(word)
            elif words[-1:] != [it]:
                words.append(it)
        return " ".join(words) + "?"

    def shortened(first: str, second: str) -> str:
        others = [
            word for word in re.findall(r"[\w'-]+", second) if word.lower()[:_A_LIKE] in told(second) - told(first)
        ]
        return f"{also} {' '.join(others[:3])}?" if others else ""

    order = {document: number // _PARAGRAPHS_OF_AN_ARTICLE for number, document in enumerate(collection.documents)}
    document_of = {query: next(iter(gains)) for query, gains in collection.qrels.items()}
    made: dict[str, list[Pair]] = {}

    def add(kind: str, first: str, second: str, document: str) -> None:
        if second:
            made.setdefault(kind, []).append(Pair(first, second, document))

    for query, document in document_of.items():
        text = collection.queries[query]
        article = order[document]
        near = {
            "same paragraph": [one for one, other in document_of.items() if one != query and other == document],
            "same article": [
                one for one, other in document_of.items() if other != document and order[other] == article
            ],
            "another topic": [one for one, other in document_of.items() if order[other] != article],
        }
        for kind, fitting in near.items():
            if not fitting:
                continue
            first = collection.queries[draw.choice(fitting)]
            if kind != "another topic":
                if it in pointing(first, text).split():
                    add(f"{kind}, it", first, pointing(first, text), document)
                add(f"{kind}, and", first, shortened(first, text), document)
            if kind != "same paragraph":
                add(f"{kind}, whole", first, text, document)
    return made


def share_first(found: Iterable[tuple[SearchResult, str]]) -> float:
    """The share of results whose first hit is the document."""
    first = [bool(result.hits) and result.hits[0].path == f"{document}.txt" for result, document in found]
    return sum(first) / max(1, len(first))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", nargs="*", default=["xquad-en", "xquad-de"])
    parser.add_argument("--questions", type=int, default=300, help="how many pairs of each kind")
    arguments = parser.parse_args()
    for name in arguments.collections:
        collection, draw = load(name), random.Random(7)
        with tempfile.TemporaryDirectory() as folder, Searcher(str(build(collection, Path(folder)))) as searcher:

            def after(pair: Pair, searcher: Searcher = searcher) -> SearchResult:
                turn = Turn(pair.first, pair.first, "", True, None, ())
                return search_in_conversation(searcher, pair.second, _OPTIONS, [turn], None).result

            ways: dict[str, Callable[[Pair], SearchResult]] = {
                "alone": lambda pair, searcher=searcher: searcher.search(pair.second, _OPTIONS),
                "both as one": lambda pair, searcher=searcher: searcher.search(f"{pair.first} {pair.second}", _OPTIONS),
                "as ask does": after,
            }
            print(f"{name:<24}" + "".join(f"{way:>13}" for way in ways))
            for kind, all_pairs in pairs(collection, draw).items():
                some = draw.sample(all_pairs, min(arguments.questions, len(all_pairs)))
                shares = [share_first((search(pair), pair.document) for pair in some) for search in ways.values()]
                print(f"{kind:<24}" + "".join(f"{share:13.1%}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
