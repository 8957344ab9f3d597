"""The segments of the sparse leg, which the setting `sparse_segments` names: postings of `lexical.impacts`, in files as
those of words.

Their rows are alive as far as the catalog has their chunks: what deletes chunks need not know of this leg, nor need a
version of semsearch that has none, which may write the same index.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semsearch.errors import IndexDamagedError
from semsearch.store import checked_values as checked
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.rows import Segment
from semsearch.store.local.segment_folder import check_content

if TYPE_CHECKING:
    from semsearch.lexical.postings import Postings

SPARSE_SEGMENTS = "sparse_segments"
_NAME = re.compile(r"spa-(\d{6,15})")


@dataclass(frozen=True)
class SparseSegments:
    """`to`: the last chunk that the leg has gone through; `next`: the number of the next segment, none of which is ever
    given again."""

    to: int = 0
    next: int = 1
    segments: tuple[Segment, ...] = ()

    @property
    def end(self) -> int:
        """The last chunk that it says anything of."""
        return max(self.to, *(segment.last_id for segment in self.segments)) if self.segments else self.to

    def as_setting(self) -> dict[str, Any]:
        """The value of the setting."""
        fields = ("name", "first_id", "last_id", "rows", "files")
        listed = [{name: getattr(segment, name) for name in fields} for segment in self.segments]
        return {"to": self.to, "next": self.next, "segments": listed}

    @staticmethod
    def of(catalog: Catalog) -> "SparseSegments":
        """What `catalog` records. Raises `IndexDamagedError`."""
        value = catalog.setting(SPARSE_SEGMENTS)
        return rows.decoded(catalog.folder, lambda: decode(value), f"the setting {SPARSE_SEGMENTS}")


def decode(value: Any) -> SparseSegments:
    """The setting; None: there is none. Raises one of `checked_values.MALFORMED`."""
    if value is None:
        return SparseSegments()
    listed = checked.of_type(checked.mapping(value)["segments"], list)
    held = SparseSegments(checked.count(value["to"]), checked.count(value["next"]), tuple(map(_segment, listed)))
    for segment in held.segments:
        name = _NAME.fullmatch(segment.name)
        if name is None or int(name[1]) >= held.next:  # it would be written over
            raise ValueError(f"the segment {segment.name!r} is none of the first {held.next - 1}")
    return held


def _segment(value: Any) -> Segment:
    files = checked.mapping(value["files"])
    return Segment(
        id=0,
        kind="spa",
        name=checked.text(value["name"]),
        first_id=checked.count(value["first_id"]),
        last_id=checked.count(value["last_id"]),
        rows=checked.count(value["rows"]),
        dead=None,
        dead_count=0,
        files={name: (checked.whole(size), checked.text(digest)) for name, (size, digest) in files.items()},
    )


def open_segment(folder: str, segment: Segment) -> "Postings":
    """The postings of `segment` of the index `folder`. Raises `IndexDamagedError`."""
    from semsearch.store.local.lexical_segment import open_lexical  # numpy, which `status` has no use for

    return open_lexical(folder, segment.name, segment.rows, segment.files)


def check_segment(folder: str, segment: Segment) -> None:
    """Raises `IndexDamagedError` where `segment` is not what was written."""
    check_content(folder, segment.name, segment.files)
    open_segment(folder, segment).check()


def damaged_segments(catalog: Catalog) -> list[tuple[Segment, IndexDamagedError]]:
    """The segments that are not what was written, each with what is wrong. Raises `IndexDamagedError` for a setting
    that is none."""
    damaged = []
    for segment in SparseSegments.of(catalog).segments:
        try:
            check_segment(catalog.folder, segment)
        except IndexDamagedError as error:
            damaged.append((segment, error))
    return damaged
