"""How to search: what a caller may choose, checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from semsearch.errors import ParameterError, UsageError
from semsearch.store.records import Filters

MODES = ("hybrid", "dense", "lexical", "sparse")
# Modes in which the model of the vectors takes part.
MODES_OF_MEANING = ("hybrid", "dense")
FUSIONS = ("convex", "rrf")
GROUPS = ("chunk", "file")
_MOST_RESULTS = 10_000
# Chunks of each leg. With scores normalised by a floor of the model's own, 30 to 3,000 make no difference to nDCG@10;
# more serve those who page on, and reciprocal ranks.
DEPTH = 300
# More would change nothing: the model reads 256 tokens, BM25 weighs words. Keeps a query of 100 kB as fast as others.
_MOST_QUERY_CHARACTERS = 8_000

# A search whose best score is lower has no good answer.
MIN_SCORE = 0.1
# The same for sentences that are quoted as the answer, which nobody looks through like results.
ANSWER_MIN_SCORE = 0.2


@dataclass(frozen=True)
class Expansion:
    """What is looked for beside a query, which leads. `paraphrases`: the query in other words; `passage`: how a passage
    that answers it could read (Gao et al. 2022, "Precise Zero-Shot Dense Retrieval without Relevance Labels"); "":
    none.
    """

    paraphrases: tuple[str, ...] = ()
    passage: str = ""


NO_EXPANSION = Expansion()


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    `k`: results, 1 to 10,000. `mode`: `hybrid`, `dense`, `lexical` or `sparse` (learned sparse vectors alone).
    `alpha`: weight of the dense leg in [0, 1]; None: by how well the model knows what is found
    (`fusion.language_alpha`, `nearness_factor`). `fusion`: `convex` or
    `rrf`. `group`: `chunk`, or `file` for the best passage of each file, with `snippets` also the second one.
    `min_score` None: a search whose best hit is below `least_score` finds nothing; a number in [0, 1]: no hit
    below it is returned. `smoothing`: in hybrid searches, passages that are alike have like scores
    (`smoothing.smoothed`). `fold`: copies are folded and neighbours joined (passages only). `explain`: hits carry an
    `Explanation`. `snippets`: hits carry a snippet and their best sentence. `context`: lines around the best sentence.
    `unlike`: texts that results should not be about. `exclude`: chunk ids that are left out. `rerank`: the name of a
    cross-encoder or late interaction model. `syntax`: quotation marks, `-`, `*` and fields in the query mean what
    `retrieval.query_syntax` says.
    `correct`: the nearest terms of the index are looked for in the place of words that occur nowhere.
    `after`: what was asked before, and is meant by what the query leaves out; "": nothing (`plan.words_before`).
    `expansion`: other ways to say the query.
    """

    k: int = 10
    mode: str = "hybrid"
    alpha: float | None = None
    fusion: str = "convex"
    group: str = "chunk"
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    least_score: float = MIN_SCORE
    smoothing: bool = True
    fold: bool = True
    explain: bool = False
    snippets: bool = True
    context: int = 0
    unlike: tuple[str, ...] = ()
    exclude: frozenset[int] = frozenset()
    rerank: str | None = None
    syntax: bool = True
    correct: bool = True
    after: str = ""
    expansion: Expansion = NO_EXPANSION

    @property
    def depth(self) -> int:
        """Candidates of each leg; a file may hold many of them, and copies are folded."""
        return max(DEPTH, 3 * self.k)

    def least_best(self, mode: str) -> float:
        """The score that the best hit of a search in `mode` must have, or nothing is found; 0 where `min_score` decides
        for each hit, and where words or tokens alone are looked for."""
        return self.least_score if self.min_score is None and mode in MODES_OF_MEANING else 0.0


def clean_query(query: str) -> str:
    """`query` as it is searched: an argument that is not UTF-8 holds lone surrogates; a long one is cut."""
    return query[:_MOST_QUERY_CHARACTERS].encode("utf-8", "replace").decode()


def check_options(query: str, options: SearchOptions) -> None:
    """Raises `UsageError` for an empty query and for options out of range."""
    if not query.strip():
        raise UsageError("the query is empty", 'say what to look for: semsearch search "WORDS"')
    if not 1 <= options.k <= _MOST_RESULTS:
        raise ParameterError("k", f"{options.k} is out of range", f"use 1 to {_MOST_RESULTS}")
    if options.alpha is not None and not 0 <= options.alpha <= 1:
        raise ParameterError("alpha", f"{options.alpha} is out of range", "use 0 (words only) to 1 (meaning only)")
    if options.min_score is not None and not 0 <= options.min_score <= 1:
        raise ParameterError("min_score", f"{options.min_score} is out of range", "use 0 (all) to 1")
    if options.context < 0:
        raise ParameterError("context", f"{options.context} is negative", "use 0 or more lines")
    if any(not text.strip() for text in options.unlike):
        raise ParameterError("unlike", "is an empty text", "say what results should not be about")
    for name, value, known in (
        ("mode", options.mode, MODES),
        ("fusion", options.fusion, FUSIONS),
        ("group", options.group, GROUPS),
    ):
        if value not in known:
            raise ParameterError(name, f"{value} is not known", "use one of: " + ", ".join(known))


def parse_where(conditions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(key, value) of each `KEY=VALUE`. Raises `UsageError`."""
    parsed = []
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals or not key.strip():
            raise ParameterError("where", f"{condition} is not KEY=VALUE", "write it like author='*Aldous*'")
        parsed.append((key.strip(), value.strip()))
    return tuple(parsed)
