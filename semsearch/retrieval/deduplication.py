"""Hits that say the same are one hit: copies folded, neighbouring chunks of one passage joined. Pure functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from semsearch.retrieval.hit import Hit, Place, TextPlace
from semsearch.retrieval.tables import goes_on

# Share of common five-word runs (Broder 1997, "On the resemblance and containment of documents") from which two
# passages are copies: one changed word in 200 leaves 0.95.
_RESEMBLANCE = 0.85
_SHINGLE = 5
# Fewer words say too little to be called a copy of anything: a title page, a lone heading.
_FEWEST_WORDS = 8
# A joined passage is read as one; what is longer is better opened.
_MOST_JOINED = 4
_SHORTEST_OVERLAP = 16
_WORD = re.compile(r"\w+")


@dataclass
class _Group:
    """One hit to be: its chunks in the order of the document, the best one, and where copies of it stand."""

    best: Hit
    parts: list[Hit]
    copies: list[Hit]
    mark: frozenset[int]

    def takes(self, hit: Hit) -> bool:
        """Whether `hit` continues this passage: next to it, in the same document under the same heading."""
        before, after = self.parts[0].chunk_id - 1, self.parts[-1].chunk_id + 1
        # Messages of one mailbox stand side by side, and many have the same subject.
        adjacent = (hit.chunk_id == before and not self.parts[0].begins_document) or (
            hit.chunk_id == after and not hit.begins_document
        )
        same = (hit.file, hit.heading) == (self.best.file, self.best.heading)
        return adjacent and same and len(self.parts) < _MOST_JOINED


def deduplicated(hits: Iterable[Hit], k: int) -> list[Hit]:
    """The first `k` passages of `hits` (best first) that differ, ranked from 1; looks no further than it must."""
    groups: list[_Group] = []
    for hit in hits:
        mark = shingles(hit.text)
        original = next((group for group in groups if resemble(mark, group.mark)), None)
        if original is not None:
            original.copies.append(hit)
            continue
        passage = next((group for group in groups if group.takes(hit)), None)
        if passage is not None:
            passage.parts = sorted([*passage.parts, hit], key=lambda part: part.chunk_id)
            continue
        if len(groups) == k:
            break
        groups.append(_Group(hit, [hit], [], mark))
    return [replace(_whole(group), rank=rank) for rank, group in enumerate(groups, 1)]


def _whole(group: _Group) -> Hit:
    first, last = group.parts[0], group.parts[-1]
    text, parts = first.text, list(first.places)
    for part in group.parts[1:]:
        common = overlap(text, part.text)
        if not common:
            text += "\n" if goes_on(text, part.text, part.type) else "\n\n"
        begin = len(text) - common
        text += part.text[common:]
        # The place of what both hold is told by the part before.
        page, line = part.place_at(common)
        parts.append(TextPlace(begin + common, page, line))
        parts += [place._replace(offset=begin + place.offset) for place in part.places if place.offset > common]
    copies = tuple(
        Place(copy.path, copy.file, copy.page, copy.line_start, copy.line_end, copy.host) for copy in group.copies
    )
    return replace(
        group.best,
        text=text,
        page=first.page,
        line_start=first.line_start,
        line_end=last.line_end,
        places=tuple(parts),
        copies=copies,
        begins_document=first.begins_document,
    )


def overlap(before: str, after: str) -> int:
    """How many characters `after` begins with that `before` ends with: the chunks of a long section overlap.

    0 when it would be fewer than 16: that is chance.
    """
    start = max(0, len(before) - len(after))
    while start + _SHORTEST_OVERLAP <= min(len(before), start + len(after)):
        start = before.find(after[:_SHORTEST_OVERLAP], start)
        if start < 0:
            return 0
        if after.startswith(before[start:]):
            return len(before) - start
        start += 1
    return 0


# Queries about one subject find the same passages. Some 20 kB each.
@lru_cache(maxsize=300)
def shingles(text: str) -> frozenset[int]:
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < _FEWEST_WORDS:
        return frozenset()
    runs = range(len(words) - _SHINGLE + 1)
    return frozenset(hash(tuple(words[start : start + _SHINGLE])) for start in runs)


def resemble(one: frozenset[int], other: frozenset[int]) -> bool:
    smaller, larger = sorted((len(one), len(other)))
    if not smaller or smaller < _RESEMBLANCE * larger:
        return False
    common = len(one & other)
    return common >= _RESEMBLANCE * (len(one) + len(other) - common)
