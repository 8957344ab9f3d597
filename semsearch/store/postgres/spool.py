"""Parts of a large file, kept until all of it was read: only then is the index locked for the commit."""

import pickle
import tempfile
from collections.abc import Iterator

from semsearch.store.protocol import AnalysedPart, AnalysedParts

# What is larger goes to a file without a name in the folder for temporary files.
_BYTES_IN_MEMORY = 64 * 1024 * 1024


class Spool:
    """`parts`, gone through once; may be read as often as wanted."""

    def __init__(self, parts: AnalysedParts) -> None:
        self._file = tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY)  # noqa: SIM115  # closed with the spool
        self.chunks = 0
        self.reasons: list[str] = []
        try:
            for part in parts:
                pickle.dump(part, self._file, protocol=5)
                self.chunks += len(part.chunks)
                self.reasons.append(part.reason)
        except BaseException:
            self._file.close()
            raise
        self._size = self._file.tell()

    def __iter__(self) -> Iterator[AnalysedPart]:
        self._file.seek(0)
        while self._file.tell() < self._size:
            yield pickle.load(self._file)

    def close(self) -> None:
        """Lets go of what was kept."""
        self._file.close()
