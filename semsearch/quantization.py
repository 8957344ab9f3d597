"""`quantize`: measures what each form of the vectors would lose on this index, then changes it, or does not.

The loss is measured before anything is written: the ten nearest of held-out queries by the new form, against an exact
scan of the finest vectors there are. The change is written beside the old form and takes effect in one commit; stopped
anywhere before it, the old form serves.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.dense import cells
from semsearch.dense.cells import Cells
from semsearch.dense.codec import FEW, KINDS, PQ_TRAINING, Codec, CodedVectors
from semsearch.dense.form import ANNS, VectorForm
from semsearch.dense.projection import Projection, principal
from semsearch.dense.vectors import Found, SegmentVectors, search
from semsearch.embedding.embedder import ModelInfo, Vectors
from semsearch.embedding.models import open_recorded
from semsearch.embedding.registry import is_matryoshka
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.questions import held_out_queries
from semsearch.storage.catalog import NONSENSE, Catalog
from semsearch.storage.segments import DenseSegment, training_vectors
from semsearch.storage.snapshot import Reader, Snapshot, alive_rows, as_damage
from semsearch.storage.writer import IndexWriter

DEFAULT_MAX_LOSS = 0.01
_TOP = 10
# Cosines no further apart are the same: two kernels that add the same float32 products in another order differ by up to
# 1e-6, and which of several equally near passages is the tenth is for no form to lose.
_EQUAL = np.float32(1e-5)
# The same form is made anew where it loses this much more than what is learnt of the vectors now.
_WORTH_LEARNING = 0.005
# Numbers of the shortest vectors that --dim makes.
SHORTEST = 8
# Left free on the disk when the new form is written.
_SPARE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class QuantizeOptions:
    """How vectors are to be kept.

    `kind` None: the smallest that loses no more than `max_loss`, a share of the ten nearest (None: 1 % where no kind is
    named or the finer vectors are dropped, else no limit). `dim` None: as it is. `ann`: `auto`, `exact` or `ivf`; None:
    as it is.
    """

    kind: str | None = None
    dim: int | None = None
    max_loss: float | None = None
    ann: str | None = None
    keep_original: bool = True
    dry_run: bool = False
    queries: int = 200
    wait: bool = False


@dataclass(frozen=True)
class Measured:
    """One form on this index.

    `searched`: bytes that a query goes through; `disk`: bytes of all vectors; `recall`: share of the ten nearest that
    it finds, where any passage as near as the tenth counts; `top1`: share of queries whose nearest it agrees on;
    `seconds`: median of a query.
    """

    form: VectorForm
    searched: int
    disk: int
    recall: float
    top1: float
    seconds: float

    @property
    def loss(self) -> float:
        return 1 - self.recall

    def as_dict(self) -> dict[str, Any]:
        form = self.form
        return {
            "kind": form.kind,
            "dim": form.codes_dim,
            "ann": form.ann,
            "original": form.store if form.codes else None,
            "searched_bytes": self.searched,
            "disk_bytes": self.disk,
            "recall_at_10": round(self.recall, 4),
            "top1_agreement": round(self.top1, 4),
            "loss": round(self.loss, 4),
            "query_ms": round(self.seconds * 1000, 3),
        }


@dataclass(frozen=True)
class QuantizeReport:
    """`after` None: nothing was chosen; `changed`: whether the index is another now. `table`: all that was measured."""

    index: str
    queries: int
    vectors: int
    before: Measured
    table: tuple[Measured, ...]
    after: Measured | None
    max_loss: float | None
    changed: bool
    passed: bool
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.quantize/1",
            "index": self.index,
            "vectors": self.vectors,
            "queries": self.queries,
            "max_loss": self.max_loss,
            "passed": self.passed,
            "changed": self.changed,
            "before": self.before.as_dict(),
            "after": self.after and self.after.as_dict(),
            "table": [row.as_dict() for row in self.table],
            "notices": list(self.notices),
        }


def quantize(
    index: str | None, options: QuantizeOptions, announce: Callable[[str], None] | None = None
) -> QuantizeReport:
    """Measures, and changes the index unless it is a dry run or the loss is too high. Raises `SemsearchError`."""
    path = settings.index_for_reading(index)
    _check(options)
    if options.dry_run:
        reader = Reader(path)
        try:
            return reader.read(lambda snapshot: _Quantization(path, snapshot.catalog, options, announce).run())
        finally:
            reader.close()
    with IndexWriter(path, options.wait) as writer:
        try:
            quantization = _Quantization(path, writer.catalog, options, announce)
        except NONSENSE as error:
            raise as_damage(path, error) from None
        report = quantization.run()
        if report.changed and report.after is not None:
            _change(writer, quantization.old, report.after)
        return report


def present_loss(index: str, announce: Callable[[str], None]) -> tuple[float, float] | None:
    """(recorded, measured): the loss of an index whose vectors are scanned by coarse codes; None for any other."""

    def measured(snapshot: Snapshot) -> tuple[float, float] | None:
        if snapshot.model() is None or snapshot.form().codes is None or not snapshot.catalog.segments("vec"):
            return None
        quantization = _Quantization(index, snapshot.catalog, QuantizeOptions(), announce)
        return quantization.old.loss, quantization.as_it_is(*quantization.reference()).loss

    reader = Reader(index)
    try:
        return reader.read(measured)
    finally:
        reader.close()


def _check(options: QuantizeOptions) -> None:
    for flag, value, known in (("KIND", options.kind, KINDS), ("--ann", options.ann, ANNS)):
        if value is not None and value not in known:
            raise UsageError(f"{flag} {value} is not known", "use one of: " + ", ".join(known))
    if options.max_loss is not None and not 0 <= options.max_loss < 1:
        raise UsageError(f"--max-loss {options.max_loss} is out of range", "write it like 1% or 0.01")
    if options.queries < 10:
        raise UsageError(f"--queries {options.queries} is too few", "use 10 or more")
    if options.ann == "ivf" and not options.keep_original:
        raise UsageError("--ann ivf compares what it finds by the original vectors", "leave out --drop-original")


class _Quantization:
    """One index, its vectors as they are, and the forms they could have."""

    def __init__(
        self, index: str, catalog: Catalog, options: QuantizeOptions, announce: Callable[[str], None] | None
    ) -> None:
        self.index = index
        self.catalog = catalog
        self.options = options
        self.announce = announce or (lambda message: None)
        record = catalog.setting("model")
        self.rows = catalog.segments("vec")
        if record is None or not self.rows:
            raise SemsearchError(
                f"the index {index} holds no vectors yet", "encode them with: semsearch index", code="no_vectors"
            )
        self.model = ModelInfo.from_dict(record)
        self.old = VectorForm.from_record(catalog.setting("vectors"), self.model.dim)
        self.segments = [
            DenseSegment(index, row["name"], row["rows"], self.old, json.loads(row["files"])) for row in self.rows
        ]
        self.alive = [alive_rows(row) for row in self.rows]
        self.count = sum(row["rows"] - row["dead_count"] for row in self.rows)
        self.notices: list[str] = []
        self._sample: Vectors | None = None
        dim = options.dim
        if dim is not None and not SHORTEST <= dim <= self.model.dim:
            raise UsageError(f"--dim {dim} is out of range", f"use {SHORTEST} to {self.model.dim}")

    def run(self) -> QuantizeReport:
        options = self.options
        kinds = self._kinds()
        forms = [self._form(kind) for kind in kinds]
        queries, nearest = self.reference()
        before = self.as_it_is(queries, nearest)
        table = []
        for form in forms:
            if form is not None:
                trained = self._trained(form)
                table.append(self._measured(trained, self._as_it_would_be(trained), queries, nearest))
        limit = options.max_loss
        if limit is None and (self._chooses() or not options.keep_original):
            limit = DEFAULT_MAX_LOSS
        chosen = self._chosen(table, before, limit)
        only_asked = options.dry_run and options.kind is None and not self._chooses()
        passed = chosen is not None or only_asked
        if not self.old.reversible and self.old.loss:
            self.notices.append(
                f"{self.old.loss:.2%} were lost before, with the finer vectors; loss is of what is left"
            )
        if chosen is not None and not chosen.form.reversible and chosen.form.trained and self.count < FEW:
            self.notices.append(
                f"learnt from {self.count:,} vectors: with the finer ones dropped, later documents may lose more"
            )
        if chosen is not None and self.old.ann != chosen.form.ann == "ivf" and not self._has_cells(chosen.form):
            self.notices.append(f"no segment has {cells.FEWEST_ROWS:,} vectors yet: until then all are scanned")
        if chosen is not None and _same(chosen.form, self.old) and before.loss <= chosen.loss + _WORTH_LEARNING:
            self.notices.append("the index is in this form already")
            changed = False
        else:
            changed = chosen is not None and not options.dry_run
        return QuantizeReport(
            self.index, len(queries), self.count, before, tuple(table), chosen, limit, changed, passed,
            tuple(self.notices),
        )  # fmt: skip

    def _has_cells(self, form: VectorForm) -> bool:
        return any(form.has_cells(row["rows"]) for row in self.rows)

    def _chooses(self) -> bool:
        """Whether the smallest kind that passes is to be found."""
        options = self.options
        return options.kind is None and (options.max_loss is not None or (options.dim is None and options.ann is None))

    def _kinds(self) -> list[str]:
        if self.options.kind is not None:
            return [self.options.kind]
        if self._chooses() or self.options.dry_run:
            return list(KINDS)
        return [self.old.kind]

    def _form(self, kind: str) -> VectorForm | None:
        """The form the options ask for with `kind`; None: the index cannot have it, and nobody asked for it alone."""
        options, old = self.options, self.old
        refusal = self._refusal(kind)
        if refusal is not None and options.kind is not None:
            raise refusal
        if refusal is not None:
            if refusal.code == "too_few_vectors":
                self.notices.append(f"{kind} is left out: {refusal.message}")
            return None
        ann = options.ann or ("auto" if old.ann == "ivf" and not options.keep_original else old.ann)
        if old.shortened and kind == old.store:
            return replace(old, ann=ann)
        if old.shortened:
            # What is kept is short already; a kind in its place is coded as it is.
            return replace(old, store=kind, ann=ann, trained={}, loss=0.0)
        dim = options.dim
        projection = self._projection(dim) if dim is not None and dim < self.model.dim else None
        same = kind == old.store and projection is None
        keeps = options.keep_original and not same and KINDS.index(kind) >= KINDS.index(old.store)
        return VectorForm(
            self.model.dim,
            store=old.store if keeps else kind,
            codes=kind if keeps else None,
            ann=ann,
            projection=projection,
            trained={"store": dict(old.trained["store"])} if (keeps or same) and "store" in old.trained else {},
            learnt_from=old.learnt_from,
        )

    def _refusal(self, kind: str) -> SemsearchError | None:
        """Why the vectors cannot be kept as `kind`."""
        options, old = self.options, self.old
        anew = f"encode them anew with: semsearch index --rebuild --index {self.index}"
        if not old.reversible and (
            KINDS.index(kind) < KINDS.index(old.store) or (options.dim or old.store_dim) > old.store_dim
        ):
            return SemsearchError(
                f"the index keeps {old.store} vectors of {old.store_dim} numbers only; finer ones were dropped",
                anew,
                code="originals_dropped",
            )
        if kind == "pq" and self.count < PQ_TRAINING:
            return SemsearchError(
                f"pq needs {PQ_TRAINING} vectors to learn from, the index has {self.count}",
                "use int8 or rabitq, which learn from any number",
                code="too_few_vectors",
            )
        if old.shortened and options.dim is not None and options.dim < old.store_dim:
            return SemsearchError(
                f"the vectors were shortened to {old.store_dim} numbers before, the longer ones dropped", anew
            )
        if old.shortened and options.keep_original and kind != old.store:
            return SemsearchError(
                "shortened vectors whose originals were dropped take no second form beside them",
                "add --drop-original, or " + anew,
            )
        return None

    def _projection(self, dim: int) -> Projection:
        if is_matryoshka(self.model.name):
            return Projection(dim)
        note = f"{self.model.name} was not trained for shorter vectors: their {dim} principal directions are kept"
        if note not in self.notices:
            self.notices.append(note)
        return principal(self._training(), dim)

    def _training(self) -> Vectors:
        """Up to `LEARNT_FROM` vectors from all over the index, as they are stored."""
        if self._sample is None:
            self._sample = training_vectors(self.segments, self.alive)
        return self._sample

    def _trained(self, form: VectorForm) -> VectorForm:
        """`form` with what its kinds have to know of the vectors."""
        sample = self._training()
        if not len(sample):
            raise SemsearchError("all vectors of the index are deleted", "index something first", code="no_vectors")
        stored = sample if self.old.shortened else form.stored(sample)
        if not form.same_store(self.old):
            form = form.with_trained("store", Codec.train(form.store, stored), len(sample))
        stages = {codec.kind: codec for row in self.rows if (codec := form.first_stage(row["rows"])) is not None}
        for kind, codec in stages.items():
            if not codec.trained:
                form = form.with_trained("codes", Codec.train(kind, form.coded(stored)), len(sample))
        return form

    # -- measuring -----------------------------------------------------------------------------------------------

    def reference(self) -> tuple[Vectors, NDArray[np.float32]]:
        """Held-out queries, (q, stored dim of the old form), and the cosines of their nearest, (q, at most 10).

        Both float32. The cosines are of the finest vectors there are, all of which are compared; the largest is first.
        """
        texts = held_out_queries(self.catalog, self.options.queries)
        if not texts:
            raise SemsearchError(
                f"the index {self.index} holds no sentence to measure with", "index more text first", code="no_queries"
            )
        self.announce(f"measuring with {len(texts)} sentences of the index as queries")
        embedder = open_recorded(self.model, self.announce)
        queries = self.old.stored(np.stack([embedder.encode_query(text) for text in texts]))
        scores = np.empty((len(queries), 0), np.float32)
        for segment, keep in zip(self.segments, self.alive, strict=True):
            rows = np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
            for start in range(0, len(rows), 65_536):
                part = rows[start : start + 65_536]
                scores = np.concatenate([scores, queries @ segment.vectors.vectors(part).T], axis=1)
                scores = -np.sort(-scores, axis=1)[:, :_TOP]
        return queries, scores

    def as_it_is(self, queries: Vectors, nearest: NDArray[np.float32]) -> Measured:
        return self._measured(self.old, [segment.vectors for segment in self.segments], queries, nearest)

    def _as_it_would_be(self, form: VectorForm) -> list[SegmentVectors]:
        """The segments in `form`, in memory."""
        made = []
        for segment in self.segments:
            vectors = segment.vectors.vectors(np.arange(len(segment.ids), dtype=np.int64))
            store = segment.vectors.store
            if not form.same_store(self.old):
                codec = form.store_codec()
                vectors = vectors if self.old.shortened else form.stored(vectors)
                store = CodedVectors(codec, codec.build(vectors))
            first, inside = form.first_stage(len(vectors)), None
            codes = None
            if first is not None:
                coded = form.coded(vectors)
                if form.has_cells(len(vectors)):
                    inside = Cells.train(coded)
                    coded = coded[inside.order]
                codes = CodedVectors(first, first.build(coded))
            made.append(SegmentVectors(form, store, codes, inside))
        return made

    def _measured(
        self, form: VectorForm, segments: Sequence[SegmentVectors], queries: Vectors, nearest: NDArray[np.float32]
    ) -> Measured:
        asked = queries if self.old.shortened else form.stored(queries)
        seconds, found, first = [], 0, 0
        for query, reference, best in zip(asked, queries, nearest, strict=True):
            clock = time.perf_counter()
            results = search(segments, query, _TOP, self.alive)
            seconds.append(time.perf_counter() - clock)
            cosines = self._cosines(reference, results)
            found += int(np.count_nonzero(cosines >= best[-1] - _EQUAL))
            first += bool(len(cosines)) and bool(cosines[0] >= best[0] - _EQUAL)
        searched, disk = self._bytes(form)
        return Measured(
            form, searched, disk, found / nearest.size if nearest.size else 1.0, first / len(queries),
            float(np.median(seconds)),
        )  # fmt: skip

    def _cosines(self, query: Vectors, results: Sequence[Found]) -> NDArray[np.float32]:
        """Cosines of the ten best of `results` by the finest vectors, (at most 10,) float32, in the order found."""
        every = sorted(
            (-float(score), int(segment.ids[row]), number, int(row))
            for number, (segment, (rows, scores)) in enumerate(zip(self.segments, results, strict=True))
            for row, score in zip(rows, scores, strict=True)
        )[:_TOP]
        vectors = [self.segments[number].vectors.vectors(np.array([row]))[0] for _, _, number, row in every]
        return np.array(vectors, np.float32).reshape(len(every), len(query)) @ query

    def _bytes(self, form: VectorForm) -> tuple[int, int]:
        searched = disk = 0
        for row in self.rows:
            rows = row["rows"]
            own = int(rows * form.store_codec().row_bytes)
            first = form.first_stage(rows)
            coded = int(rows * first.row_bytes) if first else 0
            if first and form.has_cells(rows):
                probed = coded // cells.PROBED_SHARE
                coded += 4 * rows
                searched += probed
            else:
                searched += coded or own
            disk += own + coded + 8 * rows
        return searched, disk

    def _chosen(self, table: Sequence[Measured], before: Measured, limit: float | None) -> Measured | None:
        good = [row for row in table if limit is None or row.loss <= limit + 1e-9]
        if not good:
            return None
        if not self._chooses():
            return good[0] if len(table) == 1 else None
        keeps = self.options.keep_original
        return min(good, key=lambda row: (row.searched if keeps else row.disk, row.loss, row.seconds))


def _same(form: VectorForm, other: VectorForm) -> bool:
    def key(one: VectorForm) -> tuple[Any, ...]:
        return one.store, one.codes, one.ann, one.projection and one.projection.dim

    return key(form) == key(other)


def _change(writer: IndexWriter, old: VectorForm, chosen: Measured) -> None:
    """Writes every segment in the new form and commits that; what an error leaves behind is removed."""
    kept = 1.0 if old.reversible else 1 - old.loss
    form = replace(chosen.form, loss=round(1 - kept * chosen.recall, 6))
    rows = writer.catalog.segments("vec")
    keeps = form.same_store(old)
    needed = 0
    for row in rows:
        first = form.first_stage(row["rows"])
        needed += int(
            row["rows"] * ((first.row_bytes if first else 0) + (0 if keeps else form.store_codec().row_bytes))
        )
    free = shutil.disk_usage(writer.index).free
    if needed + _SPARE_BYTES > free:
        raise SemsearchError(
            f"the new vectors take {needed / 1e6:,.0f} MB, there are {free / 1e6:,.0f} MB free for {writer.index}",
            "free some space and run again; nothing was changed",
            code="no_space",
        )
    writer.rewrite_vectors(old, form)
