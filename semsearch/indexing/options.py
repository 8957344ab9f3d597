"""What the user asks of a run of `index` (`IndexOptions`) and who hears how far it is (`Progress`)."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexOptions:
    """What the user asked for; None means: as recorded in the index, or the default for a new one.

    `newest_first`: files that changed last are read, and so encoded, first. `max_seconds`: the run ends after so long,
    what is done is kept, and the next one goes on. `passwords` are tried on encrypted documents and kept nowhere.
    `retry` reads failed files again. `ocr`: pages and pictures without text are read by OCR. `dim`: the length the
    vectors of a Matryoshka model are cut to. `trust`: code in the folder of the model may be run. `shared`: the group
    that may use the index from now on. `encode_only`: no folder is looked at, the passages that wait are encoded.
    `vectors`: the URL of the vector database that is to keep the vectors; "": the index itself. `sparse`: the model of
    the sparse vectors that the index is to have beside them; "": none. `token_vectors`: the late interaction model that
    token vectors are kept for from now on; "": none are.
    """

    model: str | None = None
    dim: int | None = None
    trust: bool = False
    tokenizer: str | None = None
    chunk_size: int | None = None
    overlap: int | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    hidden: bool | None = None
    no_ignore: bool | None = None
    follow: bool | None = None
    max_file_size: int | None = None
    passwords: tuple[str, ...] = ()
    files_from: tuple[str, ...] | None = None
    embed: bool = True
    encode_only: bool = False
    vectors: str | None = None
    token_vectors: str | None = None
    sparse: str | None = None
    rebuild: bool = False
    prune: bool = False
    verify: bool = False
    retry: bool = False
    ocr: bool = False
    newest_first: bool = False
    max_seconds: float | None = None
    shared: str | None = None
    wait: bool = False
    dry_run: bool = False


@dataclass
class Progress:
    """Who wants to know how far it is. Every function may be replaced; none returns anything."""

    announce: Callable[[str], None] = lambda message: None
    reading: Callable[[int], None] = lambda total: None
    read: Callable[[int], None] = lambda count: None
    encoding: Callable[[int], None] = lambda total: None
    encoded: Callable[[int], None] = lambda count: None
    keeping: Callable[[int], None] = lambda total: None
    kept: Callable[[int], None] = lambda count: None
    # Asked between files and between batches, and while a file is waited for: whether to end here and leave the rest to
    # the next run.
    stopping: Callable[[], bool] = lambda: False
