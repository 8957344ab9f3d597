"""A table of the objects of a PDF that was cut off before its own, or whose own is wrong."""

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise

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
# Of all object streams together, unpacked.
_MOST_BYTES = 100_000_000


def contents_to_try(data: bytes) -> Iterator[bytes]:
    """`data`, and for those who cannot open that `data` with a table of its objects, as viewers make it."""
    yield data
    repaired = _with_cross_references(data)
    if repaired is not None:
        yield repaired


def _with_cross_references(data: bytes) -> bytes | None:
    """`data` with a table of its objects at the end; None where none can be made that opens it."""
    data += _unpacked_objects(data)
    places: dict[int, int] = {}
    for count, match in enumerate(_OBJECT.finditer(data)):
        if count == _MOST_OBJECTS:
            return None
        places[int(match.group(1))] = match.start(1)
    catalog = max((match.start() for match in _CATALOG.finditer(data)), default=-1)
    most = _MOST_PER_OBJECT * len(places) + _ALLOWED_NUMBERS
    places = {number: place for number, place in sorted(places.items()) if 0 < number <= most}
    root = max(((place, number) for number, place in places.items() if place < catalog), default=None)
    encryption = b" ".join(dict.fromkeys(_ENCRYPTION.findall(data)))
    if root is None or (_SECURITY.search(data) and b"/Encrypt" not in encryption):
        return None
    # A section for each object: room is only needed for those that are there.
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % item for item in places.items())
    trailer = b"<< /Size %d /Root %d 0 R %s >>" % (max(places) + 1, root[1], encryption)
    head = b"\nxref\n0 1\n0000000000 65535 f \n"
    return b"".join((data, head, rows, b"trailer\n", trailer, b"\nstartxref\n%d\n%%%%EOF\n" % (len(data) + 1)))


def _unpacked_objects(data: bytes) -> bytes:
    """The objects in the object streams of `data`, as they are written outside of them."""
    objects: list[bytes] = []
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
            break
        begin = int(first.group(1))
        numbers = [int(number) for number in content[:begin].split() if number.isdigit()]
        starts = [*(begin + offset for offset in numbers[1::2]), len(content)]
        for number, (start, end) in zip(numbers[::2], pairwise(starts), strict=False):
            objects.append(b"\n%d 0 obj\n%s\nendobj" % (number, content[start:end]))
    return b"".join(objects)
