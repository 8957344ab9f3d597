"""What an index is to record: the flags of a run over what it records already. Decided here, written by nobody here."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from semsearch import settings
from semsearch.chunking.tokenizers import tiktoken_named
from semsearch.embedding.open import check_reachable
from semsearch.embedding.resolve import ModelSource
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError, for_shell
from semsearch.indexing.comparing import NewReaders, new_readers
from semsearch.indexing.model import RunModel
from semsearch.indexing.options import IndexOptions, Progress
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Chunking, IndexInfo, Root

_API_RULER = "cl100k_base"


@dataclass(frozen=True)
class ResolvedSettings:
    """`recorded`: what the index says of itself; `info`: what it is to say after the run; `drop_vectors`: those it has
    are of another model, or cannot be made into others; `new_readers`: what of the readers is new to the index."""

    recorded: IndexInfo
    info: IndexInfo
    drop_vectors: bool
    new_readers: NewReaders

    @property
    def chunking(self) -> Chunking:
        assert self.info.chunking is not None
        return self.info.chunking


def run_model(info: IndexInfo, options: IndexOptions, progress: Progress) -> RunModel:
    """The model of a run of `options` over an index that records `info`."""
    name = options.model or info.model_name or settings.default_model()
    dim = options.dim if options.dim is not None else info.dim if name == info.model_name else None
    return RunModel(name, dim, options.trust, options.model is not None, progress.announce)


def resolve_settings(snapshot: Snapshot, options: IndexOptions, model: RunModel, location: str) -> ResolvedSettings:
    """The settings of a run of `options` over the index `snapshot`, kept at `location`.

    Raises `SemsearchError` for what needs a rebuild, and for a model that cannot be had.
    """
    info = snapshot.info()
    if options.dim is not None:
        _ = model.source  # refused before anything is written
    if info.chunking is not None:
        chunking = replace(info.chunking, **_asked(options), analysis=settings.ANALYSIS_VERSION)
        _refuse_other_settings(info, chunking, options, model, location)
    else:
        if options.embed:
            check_reachable(model.source)
        chunking = chunking_of_new(options, model.source)
    vectors_at = info.vectors_at if options.vectors is None else _recordable(options.vectors)
    drop_vectors = (
        options.rebuild
        and info.model is not None
        # Who takes vectors away by a rebuild may have lost the database that keeps them: nothing is asked of it.
        and (
            model.differs(info.model, info.dim)
            or not _is_same_place(vectors_at, info.vectors_at)
            or _vectors_are_lost(snapshot)
        )
    )
    resolved = replace(
        info,
        generation=info.generation + options.rebuild,
        model_name=model.name,
        dim=model.dim,
        model=None if drop_vectors else info.model,
        adapter=None if drop_vectors else info.adapter,
        fusion=None if drop_vectors else info.fusion,
        chunking=chunking,
        analysis=settings.ANALYSIS_VERSION,
        rules=walk_rules(info.rules, options),
        vectors_at=vectors_at,
    )
    readers = new_readers(None if info.chunking is None else info.readers)
    return ResolvedSettings(info, resolved, drop_vectors, readers)


def moves_vectors(info: IndexInfo, options: IndexOptions) -> bool:
    """Whether a run of `options` takes vectors, which the index has by its `info`, elsewhere. Raises `UsageError` for a
    URL that is none."""
    if options.vectors is None or info.model is None:
        return False
    return not _is_same_place(_recordable(options.vectors), info.vectors_at)


def moved_vectors(snapshot: Snapshot, options: IndexOptions) -> tuple[int, str | None] | None:
    """How many vectors a run of `options` takes elsewhere, and to which URL, None: into the index; None where it takes
    none. A rebuild that names another place moves none, but makes all anew. Raises `UsageError` as `moves_vectors`."""
    if options.rebuild or options.vectors is None or not moves_vectors(snapshot.info(), options):
        return None
    counts = snapshot.counts()
    return counts.chunks - counts.pending, _recordable(options.vectors)


def chunking_of_new(options: IndexOptions, source: ModelSource) -> Chunking:
    """The chunking that a new index of the model `source` records."""
    tokenizer = options.tokenizer or _ruler(source)
    return Chunking(options.chunk_size, options.overlap, tokenizer, settings.ANALYSIS_VERSION)


def asked_chunking(recorded: Chunking | None, options: IndexOptions, source: ModelSource) -> Chunking:
    """The chunking that a run of `options` would cut by, whether it is refused or not."""
    return replace(recorded or chunking_of_new(options, source), **_asked(options))


def walk_rules(recorded: WalkRules | None, options: IndexOptions) -> WalkRules:
    """The recorded rules with the flags of this run over them."""
    names = set(WalkRules.__slots__)
    flags = {item.name: getattr(options, item.name) for item in fields(options) if item.name in names}
    known = {} if recorded is None else recorded.as_dict()
    return WalkRules.from_record({**known, **{name: value for name, value in flags.items() if value is not None}})


def with_roots(info: IndexInfo, folders: list[str], host: str, new_id: Callable[[], int]) -> IndexInfo:
    """`info` with the `folders` (absolute paths) of the machine `host` that are no roots of it yet, each with a label
    of its own and an id that `new_id` gives."""
    roots = list(info.roots)
    for folder in folders:
        if all((root.host, root.path) != (host, folder) for root in roots):
            roots.append(Root(new_id(), folder, _label(folder, {root.label for root in roots}), host))
    return replace(info, roots=tuple(roots))


def _label(folder: str, taken: set[str]) -> str:
    name = os.fsencode(os.path.basename(folder.rstrip("/")) or "root").decode("utf-8", "replace")
    label, number = name, 2
    while label in taken:
        label, number = f"{name}-{number}", number + 1
    return label


def _asked(options: IndexOptions) -> dict[str, Any]:
    asked = {"size": options.chunk_size, "overlap": options.overlap, "tokenizer": options.tokenizer}
    return {key: value for key, value in asked.items() if value is not None}


def _refuse_other_settings(
    info: IndexInfo, chunking: Chunking, options: IndexOptions, model: RunModel, location: str
) -> None:
    assert info.chunking is not None
    recorded = asdict(info.chunking)
    different = [key for key, value in asdict(chunking).items() if value != recorded[key]]
    if model.name != info.model_name:
        different.insert(0, "model")
    elif model.dim != info.dim:
        different.insert(0, "length of vectors")
    if different and not options.rebuild:
        flags = [
            f" --{name.replace('_', '-')} {for_shell(str(value))}"
            for name in ("model", "dim", "tokenizer", "chunk_size", "overlap")
            if (value := getattr(options, name)) is not None
        ]
        said = f"the index {location} was made with another {' and '.join(different)}"
        instead = ""
        if model.name != info.model_name:
            said += f": {info.model_name}, not {model.name}"
            instead = "leave out --model, or " if options.model else ""
        raise SemsearchError(
            said,
            f"{instead}make it anew with: semsearch index --rebuild{''.join(flags)} --index {for_shell(location)}",
            code="settings_mismatch",
        )


def _recordable(url: str) -> str | None:
    if not url:
        return None
    from semsearch.vector_engines.opening import recordable  # nothing that most runs have use for

    return recordable(url)


def _is_same_place(one: str | None, other: str | None) -> bool:
    if one == other or one is None or other is None:
        return one == other
    from semsearch.vector_engines.opening import is_same_place

    return is_same_place(one, other)


def _vectors_are_lost(snapshot: Snapshot) -> bool:
    """Whether only coarse or shortened vectors were kept, or nobody knows how: a rebuild makes them anew."""
    try:
        return not snapshot.keeps_model_vectors()
    except IndexDamagedError:
        return True


def _ruler(source: ModelSource) -> str | None:
    """tiktoken's for a model behind an API, whose own is not here; None: the model's own, or the packaged one's."""
    if source.kind != "api":
        return None
    try:
        tiktoken_named(_API_RULER)
    except UsageError:  # its vocabulary is not on this machine
        return None
    return _API_RULER
