"""Segment folders: written under another name, flushed, renamed; their files are checked before they are mapped.

A segment is immutable. It keeps the chunk ids of its rows, so that a merge may drop dead rows without renumbering.
"""

import hashlib
import mmap
import os
import re
import shutil
import stat
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from semsearch import private_files
from semsearch.errors import IndexDamagedError
from semsearch.shortage import shortage_of
from semsearch.store.local.damage import refuse_link, repair_hint, unreadable_as_damage

SEGMENTS_FOLDER = "segments"
VECTORS_FILE = "index.faiss"
_POSTINGS = {"bm25.pkl", "bm25.bin"}
_OF_EVERY = {"lex": _POSTINGS, "spa": _POSTINGS, "vec": {VECTORS_FILE, "ids.bin"}}
_OURS = re.compile(r"\.?(lex|spa|vec)-\d+(\.new)?")
# The segments of a leg are read whole and compared with their checksums when they are opened, up to this many bytes:
# 1.4 ms a megabyte. Larger ones are by `verify`.
_COMPARED_BYTES = 8 * 1024 * 1024

# File name -> (size, blake2b-128 of the content in hex).
FileList = Mapping[str, tuple[int, str]]


def write_folder(
    index: str, name: str, contents: Mapping[str, bytes], kept: Mapping[str, tuple[str, tuple[int, str]]] | None = None
) -> FileList:
    """Every byte is on the disk, and the folder under its final name, when this returns.

    `kept`: file name -> (file it is the same as, its entry in that segment's `FileList`).
    """
    parent = os.path.join(index, SEGMENTS_FOLDER)
    if not os.path.isdir(parent):
        private_files.make_folder(parent)
        sync_folder(index)
    working = os.path.join(parent, f".{name}.new")
    _remove(working)
    private_files.make_folder(working)
    files: dict[str, tuple[int, str]] = {}
    for file_name, content in contents.items():
        with open(private_files.create(os.path.join(working, file_name)), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        files[file_name] = (len(content), blake2b(content, digest_size=16).hexdigest())
    for file_name, (source, entry) in (kept or {}).items():
        _link(source, os.path.join(working, file_name))
        files[file_name] = entry
    sync_folder(working)
    final = os.path.join(parent, name)
    _remove(final)  # of a run that was killed between rename and commit
    os.rename(working, final)
    sync_folder(parent)
    return files


def remove_unreferenced(index: str, names: set[str]) -> None:
    """Removes what an earlier writer left in the segments folder that is not in `names`."""
    folder = os.path.join(index, SEGMENTS_FOLDER)
    if not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        if name not in names and is_segment_name(name):
            _remove(os.path.join(folder, name))


def is_segment_name(name: str) -> bool:
    """Whether `name`, in the segments folder, is that of a segment, or of one that is being written."""
    return _OURS.fullmatch(name) is not None


def _remove(path: str) -> None:
    """Removes the folder `path`, or what stands in its place."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


def link_segment(index: str, target: str, name: str, files: FileList) -> None:
    """Makes segment `name` of the index folder `index` one of the index folder `target`, too."""
    source = checked_folder(index, name, files)
    private_files.make_folders(target, os.path.join(SEGMENTS_FOLDER, name))
    folder = os.path.join(target, SEGMENTS_FOLDER, name)
    with unreadable_as_damage(index):
        for file_name in files:
            _link(os.path.join(source, file_name), os.path.join(folder, file_name))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        with open(source, "rb") as read, open(private_files.create(target), "wb") as file:
            shutil.copyfileobj(read, file)
            file.flush()
            os.fsync(file.fileno())


def sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checked_folder(index: str, name: str, files: FileList) -> str:
    """The folder of segment `name`, whose files are there, regular, and as long as the catalog says."""
    if "/" in name or name.startswith("."):
        raise IndexDamagedError(f"{index}: the catalog names a segment {name!r}")
    folder = os.path.join(index, SEGMENTS_FOLDER, name)
    refuse_link(index, SEGMENTS_FOLDER)
    if os.path.islink(folder) or not _OF_EVERY.get(name[:3], {""}) <= set(files):
        raise damaged_segment(folder, "it is not a folder with the files of a segment")
    for file_name, (size, _) in files.items():
        path = os.path.join(folder, file_name)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise damaged_segment(folder, f"{file_name} is missing") from None
        except PermissionError:
            raise
        except (OSError, ValueError) as error:  # also for a name that no file can have
            if shortage_of(error):
                raise
            raise damaged_segment(folder, f"{file_name!r}: {error}") from None
        if "/" in file_name or not stat.S_ISREG(status.st_mode):
            raise damaged_segment(folder, f"{file_name} is not a regular file")
        if status.st_size != size:
            raise damaged_segment(folder, f"{file_name} has {status.st_size} bytes, not {size}")
    return folder


def check_content(index: str, name: str, files: FileList) -> None:
    """Reads all of segment `name`. Raises `IndexDamagedError` when a byte is not as it was written."""
    folder = checked_folder(index, name, files)
    for file_name, (_, digest) in files.items():
        with unreadable_as_damage(index), open(os.path.join(folder, file_name), "rb") as file:
            if hashlib.file_digest(file, lambda: blake2b(digest_size=16)).hexdigest() != digest:
                raise damaged_segment(folder, f"{file_name} is not what was written")


def check_small(index: str, segments: Mapping[str, FileList]) -> None:
    """`check_content` of `segments` (name -> files), where they are not large together."""
    if sum(size for files in segments.values() for size, _ in files.values()) <= _COMPARED_BYTES:
        for name, files in segments.items():
            check_content(index, name, files)


def map_array(folder: str, file_name: str, dtype: str) -> np.ndarray:
    """The numbers of a file of the segment `folder`, of `dtype`, read as they are used. Raises `IndexDamagedError`."""
    try:
        with open(os.path.join(folder, file_name), "rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # also for an empty file, and for half a number
        if shortage_of(error):
            raise
        raise damaged_segment(folder, f"{file_name}: {error}") from None


def damaged_segment(folder: str, what: str) -> IndexDamagedError:
    """The error for a segment `folder` that is not what was written."""
    index = os.path.dirname(os.path.dirname(folder))
    return IndexDamagedError(f"{folder} is damaged: {what}", repair_hint(index))
