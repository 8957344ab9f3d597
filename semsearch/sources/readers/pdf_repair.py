"""A table of the objects of a PDF that was cut off before its own, or whose own is wrong."""

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

_OBJECT = re.compile(rb"(?:^|[\r\n])[ \t]*(\d{1,8}) (\d{1,5}) obj\b")
# An object stream, which holds other objects: its dictionary, and where its content begins.
_PACKED = re.compile(rb"obj\s*(<<[^>]{0,400}/ObjStm\b[^>]{0,400}>>)\s*stream\r?\n")
_FIRST = re.compile(rb"/First\s+(\d{1,9})")
_CATALOG = re.compile(rb"/Type\s*/Catalog\b")
_ENCRYPTION = re.compile(rb"/Encrypt\s+\d{1,8}\s+\d{1,5}\s+R\b|/ID\s*\[\s*<[0-9A-Fa-f\s]*>\s*<[0-9A-Fa-f\s]*>\s*\]")
_SECURITY = re.compile(rb"/Filter\s*/Standard\b")
# A number that is so many times greater than there are objects is damage, or meant to fill the memory.
_MOST_PER_OBJECT = 20
_ALLOWED_NUMBERS = 1000
_MOST_OBJECTS = 1_000_000
# So many rows of a table are compared with the file, and so many bytes for each.
_SAMPLE = 50
_HEADER_BYTES = 40
# Of all object streams together, unpacked.
_MOST_BYTES = 100_000_000


def contents_to_try(data: bytes) -> Iterator[bytes]:
    """`data`, and for those who cannot open that `data` with a table of its objects, as viewers make it."""
    yield data
    repaired = _with_cross_references(data)
    if repaired is not None:
        yield repaired


def is_table_wrong(pdf: Any, data: bytes) -> bool:
    """Whether most places in the table of `pdf`, of pypdf, are not those of objects in its `data`.

    pypdf then searches the whole file for each object, which takes minutes for a large one.
    """
    free = pdf.xref_free_entry.get(0, {})
    places = [(number, place) for number, place in pdf.xref.get(0, {}).items() if not free.get(number)]
    some = places[:: len(places) // _SAMPLE + 1]
    right = sum(
        re.match(rb"\s*%d\s+\d+\s+obj" % number, data[place : place + _HEADER_BYTES]) is not None
        for number, place in some
    )
    return right * 2 < len(some)


def _with_cross_references(data: bytes) -> bytes | None:
    """`data` with a table of its objects at the end; None where none can be made that opens it."""
    # (where it or the stream that holds it begins, where it begins, number): the last one of a number is in force.
    found: list[tuple[int, int, int]] = []
    for match in _OBJECT.finditer(data):
        if len(found) == _MOST_OBJECTS:
            return None
        found.append((match.start(1), match.start(1), int(match.group(1))))
    unpacked = [data]
    length = len(data)
    for begin, number, content in _packed_objects(data):
        written = b"\n%d 0 obj\n%s\nendobj" % (number, content)
        found.append((begin, length + 1, number))
        unpacked.append(written)
        length += len(written)
    data = b"".join(unpacked)
    most = _MOST_PER_OBJECT * len(found) + _ALLOWED_NUMBERS
    found = sorted(one for one in found if 0 < one[2] <= most)
    root = _root(data, found)
    encryption = b" ".join(dict.fromkeys(_ENCRYPTION.findall(data)))
    if root is None or (_SECURITY.search(data) and b"/Encrypt" not in encryption):
        return None
    places = {number: place for _, place, number in found}
    # A section for each object: room is only needed for those that are there.
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % item for item in places.items())
    trailer = b"<< /Size %d /Root %d 0 R %s >>" % (max(places) + 1, root, encryption)
    head = b"\nxref\n0 1\n0000000000 65535 f \n"
    return b"".join((data, head, rows, b"trailer\n", trailer, b"\nstartxref\n%d\n%%%%EOF\n" % (len(data) + 1)))


def _root(data: bytes, found: Sequence[tuple[int, int, int]]) -> int | None:
    """The number of the last catalog of `data`; None where it has none."""
    starts = sorted((place, begin, number) for begin, place, number in found)
    catalogs = []
    for match in _CATALOG.finditer(data):
        at = bisect_left(starts, (match.start(),)) - 1
        if at >= 0:
            catalogs.append(starts[at][1:])
    return max(catalogs)[1] if catalogs else None


def _packed_objects(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(where its stream begins, number, content) of the objects in the object streams of `data`."""
    left = _MOST_BYTES
    for match in _PACKED.finditer(data):
        dictionary, first = match.group(1), _FIRST.search(match.group(1))
        if first is None or b"/FlateDecode" not in dictionary or b"/DecodeParms" in dictionary:
            continue
        try:
            content = zlib.decompressobj().decompress(memoryview(data)[match.end() :], left)
        except zlib.error:  # a damaged one must not cost the others
            continue
        left -= len(content)
        if left <= 0:
            return
        begin = int(first.group(1))
        numbers = [int(number) for number in content[:begin].split() if number.isdigit() and len(number) < 11]
        starts = [*(begin + offset for offset in numbers[1::2]), len(content)]
        for number, (start, end) in zip(numbers[::2], pairwise(starts), strict=False):
            yield match.start(), number, content[start:end]
