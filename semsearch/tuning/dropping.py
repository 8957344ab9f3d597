"""`tune --drop`: an index is searched without what was learnt for it again."""

from dataclasses import replace

from semsearch import settings
from semsearch.store.opening import open_store


def drop_learnt(index: str | None, wait: bool, *, adapter: bool = True, fusion: bool = True) -> bool:
    """Removes the `adapter` of queries, the weights of the `fusion`, or both from the index.

    Returns whether there was one; `wait`: for another writing process.
    """
    path = settings.index_for_reading(index)
    with open_store(path).write(wait) as writer:
        info = writer.snapshot().info()
        left = replace(info, adapter=None if adapter else info.adapter, fusion=None if fusion else info.fusion)
        if left == info:
            return False
        with writer.transaction() as transaction:
            transaction.update(left)
    return True
