"""The folder of an index: made with what other programs need to leave it alone, refused where it holds other things."""

import os

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.settings import CATALOG_FILE, INDEX_FOLDER
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER

# file name -> content of the two files every index folder holds for other programs' sake.
_MARKERS = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a semsearch index; it can be made again.\n# https://bford.info/cachedir/\n",
}


def make_folder(index: str) -> None:
    """Makes the index folder where there is none. Raises `SemsearchError` where it cannot be one."""
    if os.path.isdir(index) and not {CATALOG_FILE, "CACHEDIR.TAG"} & set(names := os.listdir(index)) and names:
        raise SemsearchError(
            f"{index} is a folder with other things in it",
            f"name a new one, such as: --index {os.path.join(index, INDEX_FOLDER)}",
            code="not_an_index",
        )
    for name in (CATALOG_FILE, CATALOG_FILE + "-wal", CATALOG_FILE + "-shm", CATALOG_FILE + "-journal", "lock",
                 SEGMENTS_FOLDER):  # fmt: skip
        # An index may come from anywhere; what is written and removed in it must not lie elsewhere.
        path = os.path.join(index, name)
        right = os.path.isdir(path) if name == SEGMENTS_FOLDER else os.path.isfile(path)
        if os.path.lexists(path) and (os.path.islink(path) or not right):
            what = "a link" if os.path.islink(path) else "not what it should be"
            raise IndexDamagedError(f"{path} is {what}", f"remove the index and make it anew: {index}")
    try:
        os.makedirs(index, exist_ok=True)
        for name, content in _MARKERS.items():
            path = os.path.join(index, name)
            if not os.path.lexists(path):
                with open(path, "x", encoding="ascii") as file:
                    file.write(content)
    except OSError as error:
        raise SemsearchError(
            f"cannot write the index {index}: {error.strerror}",
            "put the index somewhere else with: --index PATH",
            code="not_writable",
        ) from None
