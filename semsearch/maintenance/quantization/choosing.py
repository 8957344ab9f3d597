"""Which formats of the vectors options ask for, what an index cannot have, and which one is chosen."""

from collections.abc import Sequence
from dataclasses import replace

from semsearch.dense import product_quantizer
from semsearch.dense.codec import FEW_TRAINING_VECTORS, KINDS, Codec
from semsearch.dense.projection import Projection, principal
from semsearch.dense.vector_format import VectorFormat
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_table import is_matryoshka
from semsearch.errors import SemsearchError, for_shell
from semsearch.maintenance.quantization.measuring import IndexVectors
from semsearch.maintenance.quantization.records import MeasuredFormat, QuantizeOptions
from semsearch.store.local.dense_segment import training_vectors

DEFAULT_MAX_LOSS = 0.01


class FormatChooser:
    """The formats that `options` ask for of the index `vectors`; `notices`: what the user should know."""

    def __init__(self, vectors: IndexVectors, options: QuantizeOptions) -> None:
        self.vectors = vectors
        self.options = options
        self.notices: list[str] = []
        self._sample: Vectors | None = None

    def formats(self) -> list[VectorFormat]:
        """The formats to be measured, with what they have to know of the vectors. Raises `SemsearchError` for a kind
        that was asked for and that the index cannot have."""
        asked = [self._format(kind) for kind in self._kinds()]
        return [self._trained(one) for one in asked if one is not None]

    def limit(self) -> float | None:
        """The largest loss that is accepted; None: any."""
        limit = self.options.max_loss
        if limit is None and (self.chooses() or not self.options.keep_original):
            return DEFAULT_MAX_LOSS
        return limit

    def chosen(self, table: Sequence[MeasuredFormat]) -> MeasuredFormat | None:
        """The one of `table` that the index is to have; None: none loses little enough, or nothing was to be chosen."""
        limit = self.limit()
        good = [row for row in table if limit is None or row.loss <= limit + 1e-9]
        if not good:
            return None
        if not self.chooses():
            return good[0] if len(table) == 1 else None
        keeps = self.options.keep_original
        return min(good, key=lambda row: (row.searched if keeps else row.disk, row.loss, row.seconds))

    def chooses(self) -> bool:
        """Whether the smallest kind that passes is to be found."""
        options = self.options
        return options.kind is None and (options.max_loss is not None or (options.dim is None and options.ann is None))

    def _kinds(self) -> list[str]:
        if self.options.kind is not None:
            return [self.options.kind]
        if self.chooses() or self.options.dry_run:
            return list(KINDS)
        return [self.vectors.format.kind]

    def _format(self, kind: str) -> VectorFormat | None:
        """The format the options ask for with `kind`; None: the index cannot have it, and nobody asked for it alone."""
        options, old = self.options, self.vectors.format
        refusal = self._refusal(kind)
        if refusal is not None and options.kind is not None:
            raise refusal
        if refusal is not None:
            if refusal.code == "too_few_vectors":
                self.notices.append(f"{kind} is left out: {refusal.message}")
            return None
        ann = options.ann or ("auto" if old.ann == "ivf" and not options.keep_original else old.ann)
        if old.truncated and kind == old.store:
            return replace(old, ann=ann)
        if old.truncated:
            # What is kept is short already; a kind in its place is coded as it is.
            return replace(old, store=kind, ann=ann, trained={}, loss=0.0)
        dim, full = options.dim, self.vectors.model.dim
        projection = self._projection(dim) if dim is not None and dim < full else None
        same = kind == old.store and projection is None
        keeps = options.keep_original and not same and KINDS.index(kind) >= KINDS.index(old.store)
        return VectorFormat(
            full,
            store=old.store if keeps else kind,
            codes=kind if keeps else None,
            ann=ann,
            projection=projection,
            trained={"store": dict(old.trained["store"])} if (keeps or same) and "store" in old.trained else {},
            learnt_from=old.learnt_from,
        )

    def _refusal(self, kind: str) -> SemsearchError | None:
        """Why the vectors cannot be kept as `kind`."""
        options, old, index = self.options, self.vectors.format, self.vectors.index
        anew = f"encode them anew with: semsearch index --rebuild --index {for_shell(index)}"
        if not old.reversible and (
            KINDS.index(kind) < KINDS.index(old.store) or (options.dim or old.store_dim) > old.store_dim
        ):
            return SemsearchError(
                f"the index keeps {old.store} vectors of {old.store_dim} numbers only; finer ones were dropped",
                anew,
                code="originals_dropped",
            )
        needed = product_quantizer.MIN_TRAINING_VECTORS
        if kind == "pq" and self.vectors.count < needed:
            return SemsearchError(
                f"pq needs {needed} vectors to learn from, the index has {self.vectors.count}",
                "use int8 or rabitq, which learn from any number",
                code="too_few_vectors",
            )
        if old.truncated and options.dim is not None and options.dim < old.store_dim:
            return SemsearchError(
                f"the vectors were shortened to {old.store_dim} numbers before, the longer ones dropped", anew
            )
        if old.truncated and options.keep_original and kind != old.store:
            return SemsearchError(
                "shortened vectors whose originals were dropped take no second form beside them",
                "add --drop-original, or " + anew,
            )
        return None

    def _projection(self, dim: int) -> Projection:
        name = self.vectors.model.name
        if is_matryoshka(name):
            return Projection(dim)
        note = f"{name} was not trained for shorter vectors: their {dim} principal directions are kept"
        if note not in self.notices:
            self.notices.append(note)
        return principal(self._training(), dim)

    def _training(self) -> Vectors:
        """Up to `LEARNT_FROM` vectors from all over the index, as they are stored."""
        if self._sample is None:
            self._sample = training_vectors(self.vectors.opened, self.vectors.alive)
        return self._sample

    def _trained(self, wanted: VectorFormat) -> VectorFormat:
        """`wanted` with what its kinds have to know of the vectors."""
        old = self.vectors.format
        sample = self._training()
        if not len(sample):
            raise SemsearchError("all vectors of the index are deleted", "index something first", code="no_vectors")
        stored = sample if old.truncated else wanted.stored(sample)
        if not wanted.same_store(old):
            wanted = wanted.with_trained("store", Codec.train(wanted.store, stored), len(sample))
        first_stages = [wanted.first_stage(segment.rows) for segment in self.vectors.segments]
        for kind, codec in {codec.kind: codec for codec in first_stages if codec is not None}.items():
            if not codec.trained:
                wanted = wanted.with_trained("codes", Codec.train(kind, wanted.coded(stored)), len(sample))
        return wanted

    def learnt_from_few(self, chosen: VectorFormat) -> bool:
        """Whether what was learnt may not fit later documents, with the finer vectors dropped."""
        return not chosen.reversible and bool(chosen.trained) and self.vectors.count < FEW_TRAINING_VECTORS
