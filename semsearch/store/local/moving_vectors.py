"""Moves the vectors of an index folder into a vector database, to another one, and back.

The catalog first says where they are to go (the setting `vectors_to`), in a commit of its own: a move that was cut off
is begun again by the next transaction. What keeps them until then is emptied only after the commit that says where they
are now.
"""

import contextlib
from contextlib import closing
from typing import Any

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.store.engine_vectors import EngineVectors
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.writer import IndexWriter

_AT_ONCE = 4_096


def plan_move(index: IndexWriter, url: str | None) -> None:
    """Inside a commit: says that vectors are to be kept at `url` (None: in the index) from the next commit on.

    Raises `SemsearchError` where that place holds something, or the vectors are no longer those of the model.
    """
    snapshot = LocalSnapshot(index.catalog)
    if snapshot.info().model is not None and not snapshot.keeps_model_vectors():
        raise SemsearchError(
            f"the vectors of {index.index} are coarse or shortened, which a vector database does itself",
            "make them anew first: semsearch quantize none",
            code="not_supported",
        )
    if url is not None:
        with closing(EngineVectors(url, index.index)) as target:
            index.begin_engine(target)
    index.catalog.set_setting("vectors_to", [url])


def finish_move(index: IndexWriter) -> None:
    """Does what `plan_move` said, also in an earlier run that was killed. Where that cannot be done it raises
    `SemsearchError`, and they stay where they are."""
    planned = _planned(index)
    if planned is None:
        return
    before = index.catalog.setting("vectors_at")
    try:
        with index.commit():
            moved = move_vectors(index, planned[0])
    except SemsearchError:
        _give_up(index, planned[0])
        raise
    if moved and before is not None:
        with closing(EngineVectors(before, index.index)) as source:
            source.engine.drop()


def _give_up(index: IndexWriter, url: str | None) -> None:
    """Leaves the vectors where they are, and takes back what was put to `url`, which is not this index's then."""
    if url is not None:
        # Where the database does not answer, what was put there stays, and is refused as another's the next time.
        with contextlib.suppress(SemsearchError), closing(EngineVectors(url, index.index)) as target:
            target.engine.drop()
    with index.commit():
        index.catalog.set_setting("vectors_to", None)
        if url is not None:
            index.give_up_engine(url)


def move_vectors(index: IndexWriter, url: str | None) -> bool:
    """Inside a commit: puts the vectors to where `url` says and records that; returns whether there were any. Where
    they came from they stay."""
    snapshot = LocalSnapshot(index.catalog)
    model = snapshot.info().model
    target = None if url is None else EngineVectors(url, index.index)
    try:
        if model is not None:
            if target is not None:
                target.begin_again(model.dim)
            ids = snapshot.encoded_ids()
            for start in range(0, len(ids), _AT_ONCE):
                batch = ids[start : start + _AT_ONCE]
                vectors = snapshot.vectors(batch)
                if target is None:
                    name, files = index.write_dense(batch, vectors, model.dim)
                    index.add_segment("vec", name, batch, files)
                else:
                    target.put(snapshot.passages(batch.tolist()), vectors, snapshot.info())
            if target is not None:
                target.engine.maintain()
    finally:
        if target is not None:
            target.close()
        snapshot.search.close()
    if target is not None:
        index.delete_segments(index.segments("vec"))
        index.set_vector_format(None)
    filled = [url] if url is not None and model is not None else []  # nothing is there yet: it is looked at again
    for key, value in (("vectors_at", url), ("vectors_filled", filled), ("vectors_untold", None), ("vectors_to", None)):
        index.catalog.set_setting(key, value)
    return model is not None


def _planned(index: IndexWriter) -> list[Any] | None:
    """Where vectors are to go, alone in a list; None: they stay."""
    planned = index.catalog.listed("vectors_to")
    if len(planned) > 1 or not all(isinstance(url, str | None) for url in planned):
        raise IndexDamagedError("what it records as vectors_to is damaged")
    return planned or None


def take_in_vectors(index: IndexWriter) -> None:
    """Inside a commit: lets a private copy hold the vectors itself, so that nothing done to it reaches the database."""
    if index.catalog.setting("vectors_at") is not None:
        move_vectors(index, None)
    index.catalog.set_setting("vectors_to", None)
