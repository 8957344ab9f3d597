"""Runs a model on many texts, one a thread, on as many threads as there are cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from semsearch.subprocesses import core_count

Made = TypeVar("Made")


def each_text(
    texts: Sequence[str], make: Callable[[str], Made], done: Callable[[int], None] | None = None
) -> list[Made]:
    """What `make` makes of each of `texts`, in their order; `done(1)` is called after each. Raises what `make` raises,
    and begins no other text then."""
    with ThreadPoolExecutor(core_count()) as pool:
        # The longest first: no thread is left with one at the end.
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        pending = {number: pool.submit(make, texts[number]) for number in order}
        try:
            for finished in pending.values():
                finished.result()
                if done:
                    done(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [pending[number].result() for number in range(len(texts))]
