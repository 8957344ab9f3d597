"""Keeps the token vectors of all passages for a late interaction model: those that are missing are made, a commit every
batch, and those of passages that are gone are dropped."""

import time
from collections.abc import Sequence

from semsearch.callbacks import Announce
from semsearch.chunking.chunk import encoded
from semsearch.dense.residual_codec import check_dim
from semsearch.embedding.late_interaction import LateInteraction, open_late_interaction, open_prepared
from semsearch.embedding.rerankers import LATE_INTERACTION, find_folder, kind_of
from semsearch.errors import ModelError, TokenVectorsDamagedError, for_shell
from semsearch.index_report import IndexReport
from semsearch.indexing.options import Progress
from semsearch.plurals import count_of
from semsearch.sources.walk import format_size
from semsearch.store.protocol import TokenVectors, Writer

# Passages of the first batch, by which it is told how long all will take, and of later ones.
_FIRST, _BATCH = 16, 64


def check_token_model(name: str, announce: Announce, prepare: bool) -> None:
    """Raises `ModelError` where `name` is no model whose token vectors can be kept; `prepare`: it is prepared for this
    machine, without which a head that does not fit is not seen."""
    if kind_of(find_folder(name, announce)) != LATE_INTERACTION:
        raise ModelError(
            f"{name} is a cross-encoder: it has no token vectors to keep", "it needs none: search with --rerank"
        )
    if prepare:
        _open_chosen(name, announce)


def _open_chosen(name: str, announce: Announce) -> LateInteraction:
    model = open_late_interaction(name, announce)
    try:
        check_dim(model.info.dim)
    except ValueError as error:
        raise ModelError(f"{name} makes {error}", "it can rerank without: search with --rerank") from None
    return model


def keep_token_vectors(
    writer: Writer, chosen: str | None, rebuild: bool, report: IndexReport, progress: Progress
) -> None:
    """Brings the token vectors of the index up to date, where it keeps any, and counts them in `report`.

    `chosen`: the model to keep them for from now on, "": none; None: as it is recorded. `rebuild`: all are made anew.
    Ends early where `progress.stopping` says so.
    """
    kept = writer.token_vectors()
    if kept is None:
        return
    with kept:
        if chosen == "":
            if kept.is_there():
                progress.announce("the token vectors are removed")
            kept.remove()
            return
        try:
            _keep(kept, writer, chosen, rebuild, report, progress)
        except TokenVectorsDamagedError as error:
            kept.remove()
            progress.announce(f"{error.message}; it is removed: keep token vectors anew with --token-vectors MODEL")


def _keep(
    kept: TokenVectors, writer: Writer, chosen: str | None, rebuild: bool, report: IndexReport, progress: Progress
) -> None:
    try:
        recorded = kept.recorded()
    except TokenVectorsDamagedError as error:
        if chosen is None:
            raise
        progress.announce(f"{error.message}; it is made anew")
        recorded = None
    if recorded is None and chosen is None:
        return
    model = None
    if chosen is not None:
        model = _open_chosen(chosen, progress.announce)
        if recorded is None or (model.info.fingerprint, model.info.dim) != (recorded.fingerprint, recorded.dim):
            kept.begin(model.info.model)
            recorded = None
    if recorded is not None and rebuild:
        model = model or open_prepared(recorded)
        if model is not None:  # what could not be made anew is kept
            kept.begin(recorded)
    ids = kept.missing()
    if ids and model is None and recorded is not None:
        model = open_prepared(recorded)
        if model is None:
            progress.announce(
                f"token vectors of {count_of(len(ids), 'passage')} are not made: {recorded.name} was not prepared on"
                f" this machine (if you trust it: semsearch index --token-vectors {for_shell(recorded.name)})"
            )
            report.token_vectors = {"made": 0, "left": len(ids)}
            return
    report.token_vectors = {"made": 0, "left": len(ids)}
    if ids and model is not None:
        _make(kept, writer, model, ids, report, progress)
    if not report.token_vectors["left"]:
        kept.finish()


def _make(
    kept: TokenVectors,
    writer: Writer,
    model: LateInteraction,
    ids: Sequence[int],
    report: IndexReport,
    progress: Progress,
) -> None:
    assert report.token_vectors is not None
    snapshot = writer.snapshot()
    # A run that has done nothing else does something here, lest a short limit never gets anywhere.
    begun = bool(report.files["added"] or report.files["changed"] or report.chunks["encoded"])
    clock, start = time.perf_counter(), 0
    progress.keeping(len(ids))
    while start < len(ids) and not (begun and progress.stopping()):
        passages = snapshot.passages(ids[start : start + (_BATCH if start else _FIRST)])
        vectors = model.encode([encoded(one.heading, one.text) for one in passages], progress.kept)
        kept.put([one.text_hash for one in passages], vectors)
        if not start and len(ids) > len(passages):
            share = len(ids) / len(passages)
            tokens = int(sum(map(len, vectors)) * share)
            progress.announce(
                f"keeping token vectors of {count_of(len(ids), 'passage')} for {model.name}: about"
                f" {count_of(tokens, 'token')}, {format_size(kept.size(tokens))},"
                f" {_duration((time.perf_counter() - clock) * share)}"
            )
        start, begun = start + len(passages), True
        report.token_vectors = {"made": start, "left": len(ids) - start}


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
