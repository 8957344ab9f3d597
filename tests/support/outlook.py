"""Outlook messages (.msg), as the smallest files that hold their properties (MS-CFB, MS-OXMSG)."""

import struct
from collections.abc import Mapping, Sequence

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_TEXT, _BINARY, _NUMBER = 0x001F, 0x0102, 0x0003

Storage = dict[str, "bytes | Storage"]


def outlook(
    properties: Mapping[int, str | bytes | int],
    attached: Sequence[Mapping[int, str | bytes | int]] = (),
    embedded: Mapping[int, str | bytes | int] | None = None,
) -> bytes:
    """A message with `properties` (identifier -> value), with attachments, and with a message that is attached."""
    root = _storage(properties, 32)
    for number, one in enumerate(attached):
        root[f"__attach_version1.0_#{number:08X}"] = _storage(one, 8)
    if embedded is not None:
        holder = _storage({0x3001: "embedded", 0x3705: 5}, 8)
        holder["__substg1.0_3701000D"] = _storage(embedded, 24)
        root[f"__attach_version1.0_#{len(attached):08X}"] = holder
    return _compound(root)


def _storage(properties: Mapping[int, str | bytes | int], header: int) -> Storage:
    made: Storage = {}
    rows = b"\0" * header
    for number, value in properties.items():
        if isinstance(value, int):
            rows += struct.pack("<HHIIxxxx", _NUMBER, number, 6, value)
            continue
        kind, data = (_TEXT, value.encode("utf-16-le")) if isinstance(value, str) else (_BINARY, value)
        rows += struct.pack("<HHIIxxxx", kind, number, 6, len(data) + 2 * (kind == _TEXT))
        made[f"__substg1.0_{number:04X}{kind:04X}"] = data
    made["__properties_version1.0"] = rows
    return made


def _padded(data: bytes, size: int) -> bytes:
    return data + b"\0" * (-len(data) % size)


def _compound(root: Storage) -> bytes:
    entries: list[list[object]] = []  # name, type, child, right, start, size
    small, small_table, large = b"", [], []  # type: ignore[var-annotated]

    def add(name: str, content: "bytes | Storage", kind: int) -> int:
        nonlocal small
        number = len(entries)
        entry: list[object] = [name, kind, _FREE, _FREE, _END, 0]
        entries.append(entry)
        if isinstance(content, bytes):
            entry[5] = len(content)
            if len(content) >= _CUTOFF:
                large.append((entry, content))
            elif content:
                first = entry[4] = len(small_table)
                count = -(-len(content) // _MINI)
                small_table.extend([*range(first + 1, first + count), _END])
                small += _padded(content, _MINI)
            return number
        before: list[object] | None = None
        for one, held in content.items():
            below = add(one, held, 2 if isinstance(held, bytes) else 1)
            if before is None:
                entry[2] = below
            else:
                before[3] = below
            before = entries[below]
        return number

    add("Root Entry", root, 5)
    table: list[int] = [_FAT] * 2
    body = b""

    def place(data: bytes) -> int:
        nonlocal body
        first, count = len(table), -(-len(data) // _SECTOR)
        table.extend([*range(first + 1, first + count), _END] if count else [])
        body += _padded(data, _SECTOR)
        return first if count else _END

    for entry, content in large:
        entry[4] = place(content)
    entries[0][4], entries[0][5] = place(small), len(small)
    small_at = place(struct.pack(f"<{len(small_table)}I", *small_table))
    directory = place(b"".join(_entry(*entry) for entry in entries))  # type: ignore[arg-type]
    assert len(table) <= 2 * _SECTOR // 4
    count = -(-len(small_table) * 4 // _SECTOR)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 2, directory, 0, _CUTOFF, small_at, count, _END, 0, 0)
    header += struct.pack("<I", 1) + b"\xff" * 4 * 107
    fat = struct.pack(f"<{len(table)}I", *table)
    return header + fat + b"\xff" * (2 * _SECTOR - len(fat)) + body


def _entry(name: str, kind: int, child: int, right: int, start: int, size: int) -> bytes:
    raw = (name + "\0").encode("utf-16-le")
    return raw.ljust(64, b"\0") + struct.pack("<HBBIII36xIQ", len(raw), kind, 1, _FREE, right, child, start, size)
