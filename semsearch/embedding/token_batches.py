"""Batches as large as the memory of a device allows, counted in tokens: how PyTorch encodes many texts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from semsearch.embedding.embedder import Vectors

T = TypeVar("T")

# What drivers say whose errors have no class of their own, in lower case.
_NO_MEMORY = ("out of memory", "cublas_status_alloc_failed")


class TokenBatches:
    """Encodes in batches of at most `bound` tokens, paddings counted; a batch too large for the memory halves the
    bound for good.

    `free()` is called after each such batch, to give back what the device's allocator holds.
    """

    def __init__(self, bound: int, free: Callable[[], None]) -> None:
        self.bound = bound
        self._free = free

    def encode(
        self,
        texts: Sequence[T],
        lengths: Sequence[int],
        run: Callable[[list[T]], Vectors],
        done: Callable[[int], None] | None = None,
    ) -> dict[int, Vectors]:
        """place -> (dim,) what `run` makes of each of `texts`, without those that fit into no memory even alone.

        `lengths` (n,): the tokens of each; `run(batch)`: (m, dim) vectors of m texts; `done(m)` after each batch.
        Raises what `run` raises for other reasons.
        """
        # The longest first: what does not fit shows at once, and texts of one length stand together.
        order = sorted(range(len(texts)), key=lambda place: -lengths[place])
        made: dict[int, Vectors] = {}
        start = 0
        while start < len(order):
            longest = max(1, lengths[order[start]])
            part = order[start : start + max(1, self.bound // longest)]
            vectors = _tried(run, [texts[place] for place in part])
            if vectors is None:
                self._free()
                if len(part) > 1:
                    self.bound = len(part) // 2 * longest
                    continue
            else:
                made.update(zip(part, vectors, strict=True))
            start += len(part)
            if done:
                done(len(part))
        return made


def _tried(run: Callable[[list[T]], Vectors], batch: list[T]) -> Vectors | None:
    """`run(batch)`; None where the device has no memory for it. The error is gone then, and with it the traceback,
    which keeps what it had allocated."""
    try:
        return run(batch)
    except RuntimeError as error:  # torch.OutOfMemoryError is one, too
        if not is_out_of_memory(error):
            raise
    return None


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that the memory of a device is full."""
    return type(error).__name__ == "OutOfMemoryError" or any(words in str(error).lower() for words in _NO_MEMORY)


def free_device(device: str) -> Callable[[], None]:
    """What gives back the memory that torch holds on `device` and does not use."""
    import torch

    if device.startswith("cuda"):
        return lambda: torch.cuda.empty_cache()
    if device.startswith("mps"):
        return lambda: torch.mps.empty_cache()
    return lambda: None
