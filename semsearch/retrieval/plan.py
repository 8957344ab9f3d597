"""A query -> what to ask the store: its words, its vector, and how much each leg counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from semsearch import settings
from semsearch.embedding.calibration import script_of
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import Calibration
from semsearch.errors import ModelError, SemsearchError, for_shell
from semsearch.lexical.analyzer import analyze_query, han_characters, query_words
from semsearch.lexical.document_terms import name_key
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.sparse_vector import SparseVector
from semsearch.lexical.words import is_unspaced, words_of
from semsearch.retrieval import confidence
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.options import MODES_OF_MEANING, Expansion, SearchOptions, clean_query
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.query_syntax import ParsedQuery, plain_query
from semsearch.retrieval.restrictions import beginning_with
from semsearch.retrieval.spelling import Correction, corrected

if TYPE_CHECKING:
    from semsearch.embedding.cached_embedder import CachedEmbedder
    from semsearch.embedding.sparse_model import SparseModel
    from semsearch.store.protocol import Snapshot


# How much the words and the vector of what was asked before a follow-up count beside its own. Taken in where
# `answering.conversation` does so, the right passage is first for 95 % of elliptical questions about the same
# paragraph (63 % alone, 97 % for both questions as one query), for 68 % about another of the same article (68 %, 22 %)
# and for 95 % about another subject (95 %, 42 %): XQuAD-en, `python -m benchmarks.follow_ups`.
_WORDS_BEFORE = 0.4
_MEANING_BEFORE = 0.6


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Other:
    """Another text than the query that passages are compared with: its words, and its vector (d,) as the index keeps
    vectors; in the mode `sparse` its `tokens`. `is_query`: it is another way to say the query, so that what is near to
    it is an answer.
    """

    words: tuple[Word, ...]
    vector: Vectors | None
    tokens: SparseVector | None
    is_query: bool = False


@dataclass(frozen=True, eq=False)  # arrays are not compared
class SparseQuery:
    """A query for the sparse leg: its `vector`, what its model was measured to know (`calibration`), the mean of
    subwords per word of passages under that (`fertility_of`), and the share of chunks with a sparse vector (`encoded`).
    """

    vector: SparseVector
    calibration: Calibration
    fertility_of: Callable[[Sequence[str]], float]
    encoded: float


@dataclass(frozen=True, eq=False)  # arrays are not compared
class QueryPlan:
    """A query and all that was decided about how to answer it from one snapshot.

    `mode`: one of `options.MODES`; `alpha`: weight of the dense leg, None: by how well the model knows the passages
    that are found (`candidates`); `weights`: of the parts of a hybrid ranking; `encoded`: the share of chunks that have
    a vector; `fertility_of`: subwords per word of passages under the model; `script`: of the query; `reliability`: how
    well the model knows its words, 0 to 1; `languages`: those of the index; `words`: of the query, by the rules of
    these languages. `vector` (dim,): the query's, adapted, None without a model; `stored_vector` (d,): the same as the
    index keeps vectors. `calibration`: the model's. `parsed`: what of the query was syntax; `corrections`: words that
    are looked for in the place of words that occur nowhere; `name`: the query as the name of a document, if there is
    one of that name, which is to be found first; `unwanted`: what results should not be about; `beside`: what is looked
    for beside the query; `characters`: single ones of words without spaces, to rank by and for nothing else;
    `strange`: of `words` those that the model cuts into pieces; `sparse`: what the sparse leg is asked, None: nothing;
    `notices`: what is to be told of that.
    """

    text: str
    mode: str
    fusion: str
    smoothing: bool
    weights: FusionWeights
    alpha: float | None
    encoded: float
    fertility_of: Callable[[Sequence[str]], float] | None
    script: str
    reliability: float
    languages: frozenset[str]
    words: tuple[Word, ...]
    vector: Vectors | None = None
    stored_vector: Vectors | None = None
    calibration: Calibration | None = None
    unwanted: tuple[Other, ...] = ()
    parsed: ParsedQuery = field(default_factory=lambda: plain_query(""))
    corrections: tuple[Correction, ...] = ()
    name: tuple[Word, ...] = ()
    characters: tuple[Word, ...] = ()
    beside: tuple[Other, ...] = ()
    strange: frozenset[Word] = frozenset()
    sparse: SparseQuery | None = None
    notices: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The term keys that are looked for."""
        return frozenset(key.text for word in self.words for key in word)

    @property
    def by_words(self) -> bool:
        return self.mode in ("hybrid", "lexical")

    @property
    def by_meaning(self) -> bool:
        return self.mode in MODES_OF_MEANING

    @property
    def by_ranks(self) -> bool:
        return self.fusion == "rrf" and self.mode == "hybrid"


def plan_query(
    snapshot: Snapshot,
    parsed: ParsedQuery,
    options: SearchOptions,
    encoder: QueryEncoder,
    location: str,
    adapt: Callable[[Vectors], Vectors] | None = None,
    known: frozenset[str] = frozenset(),
    weights: FusionWeights | None = None,
) -> QueryPlan:
    """How `options` answer the query `parsed` from `snapshot`, the index at `location`.

    `adapt`: moves the query's vector in the place of the index's own adapter; `weights`: count in the place of those
    that the index has learnt; `known`: words that are not taken for slips. Raises `SemsearchError`.
    """
    query = parsed.text
    info = snapshot.info()
    if info.analysis != settings.ANALYSIS_VERSION:
        raise SemsearchError(
            f"the index {location} was made by a semsearch that cuts texts into other words",
            f"make it anew with: semsearch index --rebuild --index {for_shell(location)}",
            code="settings_mismatch",
        )
    mode = options.mode
    if mode == "sparse" and info.sparse is None:
        raise SemsearchError(
            f"the index {location} holds no sparse vectors",
            f"make them with: semsearch index --sparse MODEL --index {for_shell(location)}",
            code="no_vectors",
        )  # fmt: skip
    if info.model is None and mode in MODES_OF_MEANING:
        if mode == "dense":
            raise SemsearchError(
                f"the index {location} holds no vectors yet", "encode them with: semsearch index", code="no_vectors"
            )
        mode = "lexical"
    embedder = (
        encoder.open(snapshot, info.model, query) if info.model is not None and mode in MODES_OF_MEANING else None
    )
    alpha: float | None = 1.0 if mode == "dense" else 0.0
    encoded, reliability, script = 1.0, 1.0, script_of(query)
    if embedder is not None and mode == "hybrid":
        alpha, weights = options.alpha, weights or FusionWeights.from_record(info.fusion, location)
        reliability = confidence.reliability(embedder.fertility(query), script, embedder.info.calibration)
        counts = snapshot.counts()
        encoded = 1 - counts.pending / max(1, counts.chunks)
    sparse, notices = None, []
    if info.sparse is not None and mode in ("hybrid", "sparse"):
        try:
            sparse = encoder.sparse(info.sparse)
        except ModelError as error:
            if mode == "sparse":
                raise
            notices.append(f"searched without sparse vectors: {error.message} ({error.hint})")
    models = (embedder, sparse if mode == "sparse" else None)
    languages = snapshot.languages()
    before = clean_query(options.after)
    vector = None if embedder is None else (adapt or snapshot.adapted)(_encoded(embedder, query, before))
    stored = None if vector is None else snapshot.as_stored(vector[None])[0]
    words, name, characters = analyze_query(parsed.words, languages), name_key(query), han_characters(parsed.words)
    named = ((Key(name),),) if name else ()
    anywhere = not (options.filters or parsed.restricts)
    snapshot.will_ask([*words, *named, *characters], stored if anywhere else None, options.depth)
    is_word = partial(encoder.knows_word, info.model)
    words, corrections = _words(snapshot, parsed, words, languages, options, known, is_word)
    words += words_before(words, analyze_query(before, languages) if before else [])
    return QueryPlan(
        query,
        mode,
        options.fusion,
        options.smoothing and mode == "hybrid",
        weights or FusionWeights(),
        alpha,
        encoded,
        None if embedder is None else embedder.passage_fertility,
        script,
        reliability,
        languages,
        tuple(words),
        vector,
        stored,
        None if embedder is None else embedder.info.calibration,
        tuple(_other(snapshot, text, languages, *models) for text in options.unlike),
        parsed,
        tuple(corrections),
        named if named and snapshot.frequencies(named)[0] else (),
        tuple(characters),
        tuple(_beside(snapshot, options.expansion, languages, *models)),
        _strange(parsed.words, languages, embedder) if mode == "hybrid" else frozenset(),
        None if sparse is None else _sparse(snapshot, sparse, query, before),
        tuple(notices),
    )


def _sparse(snapshot: Snapshot, model: SparseModel, query: str, before: str) -> SparseQuery:
    encoded = 1 - snapshot.sparse_pending() / max(1, snapshot.counts().chunks)
    vector = model.encode_query(query)
    if before:
        vector = vector.with_others(model.encode_query(before), _WORDS_BEFORE)
    return SparseQuery(vector, model.info.calibration, model.fertility, encoded)


def _strange(text: str, languages: frozenset[str], embedder: CachedEmbedder | None) -> frozenset[Word]:
    """The words of the query `text` that the model cuts into pieces, as it does with names that it has not met."""
    if embedder is None:
        return frozenset()
    words = sorted({word for word in words_of(text) if word.isalpha() and not is_unspaced(word)})
    pieces = zip(words, embedder.fertilities(words), strict=True)
    return frozenset(query_words(word, languages)[0] for word, fertility in pieces if fertility > 1)


def words_before(words: Sequence[Word], before: Sequence[Word]) -> list[Word]:
    """The words `before`, of an earlier question, that are not among `words`, of its follow-up; they weigh less."""
    own = {key.text for word in words for key in word}
    return [
        tuple(Key(key.text, _WORDS_BEFORE * key.weight) for key in word)
        for word in before
        if own.isdisjoint(key.text for key in word)
    ]


def _encoded(embedder: Embedder, query: str, before: str) -> Vectors:
    """(dim,) the unit vector of `query`, nearer to that of what was asked `before`, if anything was."""
    vector = embedder.encode_query(query)
    if not vector.any() and embedder.info.runtime != "static":  # which makes none of words that it does not know
        raise ModelError(
            f"the model {embedder.info.name} makes no vector of the query",
            f"look with: semsearch models verify {for_shell(embedder.info.name)}; by words alone: --mode lexical",
        )
    if not before:
        return vector
    both = vector + np.float32(_MEANING_BEFORE) * embedder.encode_query(before)
    unit: Vectors = (both / max(float(np.linalg.norm(both)), 1e-6)).astype(np.float32)
    return unit


def _words(
    snapshot: Snapshot,
    parsed: ParsedQuery,
    words: list[Word],
    languages: frozenset[str],
    options: SearchOptions,
    known: frozenset[str],
    is_word: Callable[[str], bool],
) -> tuple[list[Word], list[Correction]]:
    """The words to look for, and what was put in the place of those of `words`, of the query's text, that occur
    nowhere."""
    corrections: list[Correction] = []
    if options.correct:
        words, corrections = corrected(snapshot, parsed.words, words, lambda word: word in known or is_word(word))
    # Function words of a phrase are left out like others, but where it has nothing else.
    words += [word for phrase in parsed.phrases for word in analyze_query(phrase, languages)]
    return [*words, *(beginning_with(snapshot, beginning) for beginning in parsed.prefixes)], corrections


def _beside(
    snapshot: Snapshot,
    expansion: Expansion,
    languages: frozenset[str],
    embedder: Embedder | None,
    sparse: SparseModel | None,
) -> Iterator[Other]:
    for text in expansion.paraphrases:
        yield replace(_other(snapshot, text, languages, embedder, sparse), is_query=True)
    if text := clean_query(expansion.passage):
        vector = None if embedder is None else snapshot.as_stored(embedder.encode([text]))[0]
        tokens = None if sparse is None else sparse.encode_query(text)
        yield Other(tuple(analyze_query(text, languages)), vector, tokens)


def _other(
    snapshot: Snapshot, text: str, languages: frozenset[str], embedder: Embedder | None, sparse: SparseModel | None
) -> Other:
    text = clean_query(text)
    vector = None if embedder is None else snapshot.as_stored(embedder.encode_query(text)[None])[0]
    tokens = None if sparse is None else sparse.encode_query(text)
    return Other(tuple(analyze_query(text, languages)), vector, tokens)
