"""The models of one run: found when they are first needed, opened when they must encode."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from semsearch.embedding.cache import read_info
from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.device import asked_device, find_device, may_have_gpu
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import check_same, open_named
from semsearch.embedding.resolve import ModelSource, resolve
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.embedding.sparse_model import SparseModel, open_recorded_sparse, open_sparse
from semsearch.store.vector_cache import cached

if TYPE_CHECKING:
    from semsearch.embedding.gpu_embedder import GpuEmbedder

# Passages for which a GPU is used unasked. The process that uses it is ready after 4 s (measured without a GPU, whose
# driver starts, too), and two cores encode 4,096 passages in 35 to 40 s, sixteen in some five.
_WORTH_A_GPU = 4_096


class RunModel:
    """The model called `name`, its vectors cut to `dim` numbers (None: not cut).

    `named_by_user`: not only by the index, which may come from anywhere. `trust`: code in its folder may be run.
    `announce` hears when it must be prepared first. Every method raises `ModelError`.
    """

    def __init__(
        self, name: str, dim: int | None, trust: bool, named_by_user: bool, announce: Callable[[str], None]
    ) -> None:
        self.name = name
        self.dim = dim
        self._trust = trust
        self._named_by_user = named_by_user
        self._announce = announce
        self._embedder: Embedder | None = None
        self._on_gpu: GpuEmbedder | None = None

    @cached_property
    def source(self) -> ModelSource:
        """Where the model is."""
        return resolve(self.name, self.dim, self._trust)

    def differs(self, recorded: ModelInfo, recorded_dim: int | None) -> bool:
        """Whether vectors of this model cannot stand beside those of the `recorded` one, cut to `recorded_dim`."""
        same = recorded.name in (self.name, self.source.name) and self.dim == recorded_dim
        return not same or self.source.fingerprint != recorded.fingerprint

    def embedder(self, recorded: ModelInfo | None) -> Embedder:
        """The model with the cache of passages before it; `recorded`: what the index knows of it, None: nothing."""
        if self._embedder is None:
            self._embedder = self._opened(recorded)
        return self._embedder

    def _opened(self, recorded: ModelInfo | None) -> Embedder:
        source = self.source

        def opened() -> Embedder:
            embedder = open_named(source, self._named_by_user, self._announce, recorded)
            return check_same(embedder, recorded) if recorded else embedder

        if source.kind == "static":
            return opened()  # encodes faster than it is looked up
        if recorded is not None and recorded.fingerprint == source.fingerprint:
            return cached(recorded, opened, "passages", self._announce)
        embedder = opened()
        return cached(embedder.info, lambda: embedder, "passages", self._announce)

    def passage_encoder(self, recorded: ModelInfo | None, pending: int) -> Embedder:
        """`embedder`, for so many `pending` passages: on a GPU where the user asks for one, or where it is worth it."""
        asked = asked_device()
        embedder = self.embedder(recorded)
        if asked == "cpu" or (asked == "auto" and not (pending >= _WORTH_A_GPU and may_have_gpu())):
            return embedder
        if reason := self._keeps_to_processor(embedder.info, asked):
            if asked != "auto":
                self._announce(f"--device {asked}: {reason}")
            return embedder

        def opened() -> Embedder:
            return self._opened_on_gpu(embedder, asked)

        return cached(embedder.info, opened, "passages", self._announce)

    def _keeps_to_processor(self, info: ModelInfo, asked: str) -> str:
        """Why no GPU encodes beside the prepared model `info`; "": nothing hinders."""
        if info.is_api:
            return f"{info.name} runs at its provider"
        if info.runtime == "static":
            return f"{info.name} runs on the processor, as all vectors of tokens"
        if info.runtime == "torch-fp32":  # PyTorch runs it in this process, on the device that is asked for
            _, missing = find_device(asked)
            return f"{missing}: encoding on the processor" if missing else f"{info.name} runs there, queries included"
        if not self.source.has_weights():
            return f"the weights of {info.name} are not on this machine: encoding on the processor"
        return ""

    def _opened_on_gpu(self, embedder: Embedder, asked: str) -> Embedder:
        from semsearch.embedding.gpu_embedder import GpuEmbedder, on_gpu
        from semsearch.embedding.gpu_process import GpuJob

        source = self.source
        trust = source.trust or bool((read_info(source.cache_path()) or {}).get("trusted"))
        job = GpuJob(source.name, source.folder, trust, asked, embedder.info.window)
        model = on_gpu(embedder.open() if isinstance(embedder, CachedEmbedder) else embedder, job, self._announce)
        if isinstance(model, GpuEmbedder):
            self._on_gpu = model
        return model

    def release_gpu(self) -> str:
        """Ends what `passage_encoder` has started on a GPU, once its embedder is gone; returns the device if it has
        encoded passages, "" if none has."""
        used, self._on_gpu = self._on_gpu, None
        return used.device if used is not None and used.encoded else ""

    def tokenizer(self, recorded: Callable[[], ModelInfo | None]) -> tuple[str, int]:
        """(tokenizer file, most tokens of a text); opens the model only where its folder does not say."""
        path, window = self.source.tokenizer_path(), self.source.window()
        if path is None or window is None:
            embedder = self.embedder(recorded())
            path, window = embedder.tokenizer.path, embedder.info.window
        return path, window


class RunSparseModel:
    """The model of the sparse vectors of a run over an index that records `recorded`; `asked`: the name of another
    one, "": none is wanted, None: as recorded. `trust`: code in its folder may be run.

    `announce` hears when it must be prepared first. Every method raises `ModelError`.
    """

    def __init__(
        self, recorded: SparseInfo | None, asked: str | None, trust: bool, announce: Callable[[str], None]
    ) -> None:
        self._recorded = recorded
        self._asked = asked
        self._trust = trust
        self._announce = announce

    @cached_property
    def info(self) -> SparseInfo | None:
        """What the index is to record; None: it is to have no sparse vectors."""
        if self._asked is None:
            return self._recorded
        if not self._asked:
            return None
        info = self._named.info
        recorded = self._recorded
        # Its weights are kept in the steps in which they were.
        return recorded if recorded is not None and recorded.same_vectors(info) else info

    @cached_property
    def _named(self) -> SparseModel:
        assert self._asked
        return open_sparse(self._asked, self._trust, self._announce)

    def model(self) -> SparseModel:
        """The model that makes the vectors of `info`, which is not None."""
        if self._asked:
            return self._named
        assert self.info is not None
        return open_recorded_sparse(self.info)
