import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError
from semsearch.lexical import postings
from semsearch.store.local import lexical_segment as segments


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, segments.FileList]:
    built = postings.build([3, 4, 9], [["a", "b", "a"], [], ["水"]], ("en",))
    return tmp_path, segments.write_lexical(str(tmp_path), "lex-000001", built)


def test_what_is_written_is_what_is_opened(written: tuple[Path, segments.FileList]) -> None:
    index, files = written
    opened = segments.open_lexical(str(index), "lex-000001", 3, files)
    assert opened.ids.tolist() == [3, 4, 9]
    assert opened.lengths.tolist() == [3, 0, 1]
    assert opened.languages == ("en",)
    assert [part.tolist() for part in opened.find("a")] == [[0], [2]]
    assert opened.find("水")[0].tolist() == [2]
    assert sorted(os.listdir(index / "segments")) == ["lex-000001"]


def test_an_empty_segment_is_no_special_case(tmp_path: Path) -> None:
    files = segments.write_lexical(str(tmp_path), "lex-000001", postings.build([], [], ()))
    assert len(segments.open_lexical(str(tmp_path), "lex-000001", 0, files)) == 0


class _Attack:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch /tmp/semsearch-was-here",)


@pytest.mark.parametrize("payload", [_Attack(), np.arange(3), {1: os.getcwd}], ids=["system", "numpy", "function"])
def test_a_pickle_that_names_anything_is_refused(written: tuple[Path, segments.FileList], payload: object) -> None:
    index, files = written
    path = index / "segments" / "lex-000001" / "bm25.pkl"
    path.write_bytes(pickle.dumps(payload, protocol=5))
    size = path.stat().st_size
    with pytest.raises(IndexDamagedError, match="refused to load"):
        segments.open_lexical(str(index), "lex-000001", 3, {**files, "bm25.pkl": (size, "")})
    assert not os.path.exists("/tmp/semsearch-was-here")


@pytest.mark.parametrize(
    "state",
    [b"]r\0\0\0\x10.", b"]p400000000\n.", b"\x80\5\x96" + (1 << 32).to_bytes(8, "little") + b"."],
    ids=["memo", "memo by text", "bytearray"],
)
def test_a_pickle_that_asks_for_gigabytes_is_refused(written: tuple[Path, segments.FileList], state: bytes) -> None:
    index, files = written
    path = index / "segments" / "lex-000001" / "bm25.pkl"
    path.write_bytes(state)
    with pytest.raises(IndexDamagedError, match="refused to load what the opcode"):
        segments.open_lexical(str(index), "lex-000001", 3, {**files, "bm25.pkl": (len(state), "")})


def test_languages_that_double_at_each_level_are_refused(written: tuple[Path, segments.FileList]) -> None:
    """Told as text, forty lists in each other of two would be longer than any memory."""
    index, files = written
    path = index / "segments" / "lex-000001" / "bm25.pkl"
    languages: list[object] = ["long"]
    for _ in range(40):
        languages = [languages, languages]
    head = pickle.dumps({"sizes": [0]}, protocol=5)
    state = {"format": 1, "languages": languages, "arrays": {}}
    path.write_bytes(head + pickle.dumps(state, protocol=5))
    with pytest.raises(IndexDamagedError, match="a language is no text"):
        segments.open_lexical(str(index), "lex-000001", 3, {**files, "bm25.pkl": (path.stat().st_size, "")})


def test_a_segment_that_is_cut_short_or_a_link_is_refused(written: tuple[Path, segments.FileList]) -> None:
    index, files = written
    path = index / "segments" / "lex-000001" / "bm25.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(IndexDamagedError, match=rf"bm25.bin has {len(data) - 10} bytes, not {len(data)}"):
        segments.open_lexical(str(index), "lex-000001", 3, files)
    path.unlink()
    with pytest.raises(IndexDamagedError, match=r"bm25\.bin is missing"):
        segments.open_lexical(str(index), "lex-000001", 3, files)
    (index / "elsewhere").write_bytes(data)
    path.symlink_to(index / "elsewhere")
    with pytest.raises(IndexDamagedError, match="not a regular file"):
        segments.open_lexical(str(index), "lex-000001", 3, files)
    path.unlink()
    os.mkfifo(path)  # to open it would wait for ever
    with pytest.raises(IndexDamagedError, match="not a regular file"):
        segments.open_lexical(str(index), "lex-000001", 3, {**files, "bm25.bin": (0, "")})
    with pytest.raises(IndexDamagedError, match="not a folder with the files"):
        segments.open_lexical(str(index), "lex-000001", 3, {})
    for name in ("../x", "/etc", ".hidden"):
        with pytest.raises(IndexDamagedError, match="the catalog names a segment"):
            segments.open_lexical(str(index), name, 3, files)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    files = segments.write_lexical(str(tmp_path), "lex-000001", postings.build([1, 2], [["a"], ["b"]], ()))
    with pytest.raises(IndexDamagedError, match="do not fit together"):
        segments.open_lexical(str(tmp_path), "lex-000001", 3, files)
