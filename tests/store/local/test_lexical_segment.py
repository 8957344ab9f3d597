import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError
from semsearch.lexical import postings
from semsearch.store.local.lexical_segment import open_lexical, write_lexical
from semsearch.store.local.segment_folder import FileList


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, FileList]:
    built = postings.build([3, 4, 9], [["a", "b", "a"], [], ["水"]], ("en",))
    return tmp_path, write_lexical(str(tmp_path), "lex-000001", built)


def test_what_is_written_is_what_is_opened(written: tuple[Path, FileList]) -> None:
    index, files = written
    opened = open_lexical(str(index), "lex-000001", 3, files)
    assert opened.ids.tolist() == [3, 4, 9]
    assert opened.lengths.tolist() == [3, 0, 1]
    assert opened.languages == ("en",)
    assert [part.tolist() for part in opened.find("a")] == [[0], [2]]
    assert opened.find("水")[0].tolist() == [2]
    assert sorted(os.listdir(index / "segments")) == ["lex-000001"]


def test_an_empty_segment_is_no_special_case(tmp_path: Path) -> None:
    files = write_lexical(str(tmp_path), "lex-000001", postings.build([], [], ()))
    assert len(open_lexical(str(tmp_path), "lex-000001", 0, files)) == 0


class _Attack:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch semsearch-was-here",)


@pytest.mark.parametrize("payload", [_Attack(), np.arange(3), {1: os.getcwd}], ids=["system", "numpy", "function"])
def test_a_pickle_that_names_anything_is_refused(
    written: tuple[Path, FileList], payload: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, files = written
    monkeypatch.chdir(index)
    path = index / "segments" / "lex-000001" / "bm25.pkl"
    path.write_bytes(pickle.dumps(payload, protocol=5))
    size = path.stat().st_size
    with pytest.raises(IndexDamagedError, match="refused to load"):
        open_lexical(str(index), "lex-000001", 3, {**files, "bm25.pkl": (size, "")})
    assert not (index / "semsearch-was-here").exists()


def test_a_segment_that_is_cut_short_or_a_link_is_refused(written: tuple[Path, FileList]) -> None:
    index, files = written
    path = index / "segments" / "lex-000001" / "bm25.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(IndexDamagedError, match=rf"bm25.bin has {len(data) - 10} bytes, not {len(data)}"):
        open_lexical(str(index), "lex-000001", 3, files)
    path.unlink()
    with pytest.raises(IndexDamagedError, match=r"bm25\.bin is missing"):
        open_lexical(str(index), "lex-000001", 3, files)
    (index / "elsewhere").write_bytes(data)
    path.symlink_to(index / "elsewhere")
    with pytest.raises(IndexDamagedError, match="not a regular file"):
        open_lexical(str(index), "lex-000001", 3, files)
    path.unlink()
    os.mkfifo(path)  # to open it would wait for ever
    with pytest.raises(IndexDamagedError, match="not a regular file"):
        open_lexical(str(index), "lex-000001", 3, {**files, "bm25.bin": (0, "")})
    with pytest.raises(IndexDamagedError, match="not a folder with the files"):
        open_lexical(str(index), "lex-000001", 3, {})
    for name in ("../x", "/etc", ".hidden"):
        with pytest.raises(IndexDamagedError, match="the catalog names a segment"):
            open_lexical(str(index), name, 3, files)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    files = write_lexical(str(tmp_path), "lex-000001", postings.build([1, 2], [["a"], ["b"]], ()))
    with pytest.raises(IndexDamagedError, match="do not fit together"):
        open_lexical(str(tmp_path), "lex-000001", 3, files)


@pytest.mark.parametrize("array", ["rows", "indptr"])
def test_postings_that_lie_elsewhere_are_not_merged(array: str) -> None:
    built = postings.build([1, 2], [["a", "b"], ["b"]], ("en",))
    for change in (-5, 5):
        arrays = {**built.arrays(), array: built.arrays()[array] + change}
        with pytest.raises(IndexDamagedError, match="the postings of a segment"):
            postings.merge([built, postings.Postings(**arrays, languages=("en",))], [None, None], ("en",))
