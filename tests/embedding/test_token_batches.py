"""Texts are cut into batches by tokens, and a batch that the memory does not hold is made smaller."""

import numpy as np
import pytest
import torch

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.token_batches import TokenBatches, free_device, is_out_of_memory


class Device:
    """A device of so many tokens of memory: raises `error` for more. A text is a number, and its vector, too."""

    def __init__(self, memory: int, error: RuntimeError) -> None:
        self.memory, self.error = memory, error
        self.batches: list[list[int]] = []
        self.freed = 0

    def run(self, batch: list[int]) -> Vectors:
        if len(batch) * max(batch) > self.memory:
            raise self.error
        self.batches.append(batch)
        return np.array([[number, 1] for number in batch], np.float32)

    def free(self) -> None:
        self.freed += 1


NO_MEMORY = [torch.OutOfMemoryError("CUDA: full"), RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")]


def test_batches_hold_so_many_tokens_with_their_paddings_the_longest_first() -> None:
    device = Device(10**9, NO_MEMORY[0])
    texts, told = [3, 10, 1, 2, 9, 10], []
    made = TokenBatches(20, device.free).encode(texts, texts, device.run, told.append)
    assert device.batches == [[10, 10], [9, 3], [2, 1]] and told == [2, 2, 2] and device.freed == 0
    assert [made[place][0] for place in range(6)] == texts


@pytest.mark.parametrize("error", NO_MEMORY, ids=["cuda", "mps"])
def test_a_batch_that_the_memory_does_not_hold_halves_the_bound(error: RuntimeError) -> None:
    device = Device(35, error)
    texts = [10] * 9
    batches = TokenBatches(1_000, device.free)
    made = batches.encode(texts, texts, device.run)
    assert len(made) == 9 and [len(batch) for batch in device.batches] == [2, 2, 2, 2, 1]
    assert device.freed == 2 and batches.bound == 20, "nine texts, four, two"
    assert len(batches.encode(texts, texts, device.run)) == 9 and device.freed == 2, "it is remembered"


def test_a_text_that_does_not_fit_alone_is_left() -> None:
    device = Device(35, NO_MEMORY[0])
    texts = [10, 50, 20]
    made = TokenBatches(1_000, device.free).encode(texts, texts, device.run)
    assert sorted(made) == [0, 2] and made[0][0] == 10
    assert TokenBatches(1_000, device.free).encode([40], [40], device.run) == {}
    assert TokenBatches(1_000, device.free).encode([], [], device.run) == {}


def test_other_errors_are_raised() -> None:
    with pytest.raises(RuntimeError, match="device-side assert"):
        TokenBatches(10, Device(0, NO_MEMORY[0]).free).encode(
            [1], [1], Device(0, RuntimeError("CUDA error: device-side assert triggered")).run
        )
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    free_device("cpu")()
