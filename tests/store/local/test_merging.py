"""Which segments are merged, and that no row is lost or moved by it."""

from pathlib import Path

import numpy as np
import pytest

from semsearch.dense.codec import Codec
from semsearch.dense.vector_format import VectorFormat
from semsearch.errors import IndexDamagedError
from semsearch.lexical import postings
from semsearch.store.local import merging
from semsearch.store.local.merging import merge, mergeable, rewrite_vectors
from semsearch.store.local.rows import Segment
from semsearch.store.local.store import LocalStore
from semsearch.store.local.writer import IndexWriter
from semsearch.store.protocol import Snapshot
from tests.support.corpus import DIM, VECTORS, encode, file_id, filled, put, word
from tests.support.local_index import folders, segments_of, small_index


def segment(number: int, rows: int, dead: int = 0) -> Segment:
    return Segment(number, "lex", f"lex-{number:06}", number, number, rows, None, dead, {})


def numbers(segments: list[Segment]) -> list[int]:
    return [one.id for one in segments]


def test_eight_neighbours_of_one_size_are_merged_and_no_fewer() -> None:
    small = [segment(number, 100) for number in range(9)]
    assert mergeable([]) == mergeable(small[:7]) == []
    assert numbers(mergeable(small[:8])) == list(range(8))
    assert numbers(mergeable(small)) == list(range(1, 9))  # the latest ones
    assert mergeable([*small[:4], segment(4, 5000), *small[5:]]) == []


def test_a_segment_of_which_a_third_is_deleted_is_rewritten() -> None:
    assert mergeable([segment(1, 9, 2)]) == []
    assert numbers(mergeable([segment(1, 9, 2), segment(2, 9, 3)])) == [2]


def test_no_merge_is_larger_than_the_limit() -> None:
    assert mergeable([segment(number, 40_000) for number in range(8)]) == []
    assert len(mergeable([segment(number, 32_768) for number in range(8)])) == 8


def answers(snapshot: Snapshot) -> list[object]:
    words = [word("common"), word("word7")]
    return [
        snapshot.lexical(words, 300, None).ids.tolist(), snapshot.lexical(words, 300, None).scores.tolist(),
        snapshot.dense(VECTORS[9], 300, None).scores.tolist(), snapshot.encoded_ids().tolist(),
        snapshot.vectors(snapshot.encoded_ids()).tolist(),
    ]  # fmt: skip


def test_many_small_segments_become_one(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path / "index")), {})
    for number in range(8):
        with store.write() as writer, writer.transaction() as transaction:
            put(transaction, f"{number}.md", f"word{number} common", "common")
        encode(store, VECTORS[number : number + 2])
    before = store.read(answers)
    assert store.read(lambda snapshot: snapshot.storage().segments) == {"lex": 8, "vec": 8}
    with IndexWriter(store.location) as index:
        merge(index)
    assert store.read(lambda snapshot: snapshot.storage().segments) == {"lex": 1, "vec": 1}
    assert store.read(answers) == before
    assert len(folders(tmp_path / "index", "lex")) == 9  # searches may be reading them
    with IndexWriter(store.location):
        pass
    assert len(folders(tmp_path / "index", "lex")) == len(folders(tmp_path / "index", "vec")) == 1


def test_a_segment_of_which_nothing_is_left_goes(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path / "index")), {"a.md": ["one"], "b.md": ["two"]})
    encode(store, VECTORS[:2])
    with store.write() as writer:
        with writer.transaction() as transaction:
            transaction.delete_files([file_id(store, "a.md"), file_id(store, "b.md")])
        writer.maintain()
    assert store.read(lambda snapshot: snapshot.storage().segments) == {"lex": 0, "vec": 0}
    assert store.read(lambda snapshot: snapshot.counts().chunks) == 0


def coded(kind: str, learnt_from: int) -> VectorFormat:
    """Codes of `kind` that were learnt from a few vectors."""
    codec = Codec.train(kind, np.stack(VECTORS[:learnt_from]))
    return VectorFormat(DIM, codes=kind).with_trained("codes", codec, learnt_from)


@pytest.mark.parametrize(
    "form", [VectorFormat(DIM, "float32"), coded("int8", 50), coded("binary", 50), VectorFormat(DIM, ann="ivf")],
    ids=["float32", "int8", "binary", "ivf"],
)  # fmt: skip
def test_vectors_are_kept_otherwise_and_found_alike(tmp_path: Path, form: VectorFormat) -> None:
    store = small_index(tmp_path / "index")
    nearest = store.read(lambda snapshot: snapshot.dense(VECTORS[9], 5, None).scores.tolist())
    with IndexWriter(store.location) as writer:
        rewrite_vectors(writer, VectorFormat(DIM), form)
    assert store.read(lambda snapshot: snapshot.vector_format().store) == form.store
    assert store.read(lambda snapshot: snapshot.dense(VECTORS[9], 5, None).scores.tolist()) == nearest
    with IndexWriter(store.location) as writer:
        rewrite_vectors(writer, form, VectorFormat(DIM))
    assert store.read(lambda snapshot: snapshot.dense(VECTORS[9], 5, None).scores.tolist()) == nearest


def test_what_cannot_be_rewritten_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = small_index(tmp_path / "index")
    before = store.read(answers)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merging, "open_dense", full)
    with IndexWriter(store.location) as writer:
        kept = folders(tmp_path / "index", "vec")
        with pytest.raises(OSError, match="No space left"):
            rewrite_vectors(writer, VectorFormat(DIM), VectorFormat(DIM, "float32"))
        assert folders(tmp_path / "index", "vec") == kept
    monkeypatch.undo()
    assert store.read(answers) == before


def test_codes_are_learnt_again_from_many_more_vectors(tmp_path: Path) -> None:
    store = filled(LocalStore(str(tmp_path / "index")), {"a.md": [f"text {number}" for number in range(20)]})
    encode(store, VECTORS[:20])
    with IndexWriter(store.location) as writer:
        rewrite_vectors(writer, VectorFormat(DIM), coded("int8", 5))
    names = [one.name for one in segments_of(tmp_path / "index", "vec")]
    with store.write() as writer:
        writer.maintain()
    assert [one.name for one in segments_of(tmp_path / "index", "vec")] != names
    learnt = store.read(lambda snapshot: snapshot.vector_format())
    assert learnt.learnt_from == 20 and learnt.trained
    assert np.array_equal(store.read(lambda snapshot: snapshot.vectors(np.array([3], np.int64)))[0], VECTORS[2])


@pytest.mark.parametrize("array", ["rows", "indptr"])
def test_postings_that_lie_elsewhere_are_not_merged(array: str) -> None:
    built = postings.build([1, 2], [["a", "b"], ["b"]], ("en",))
    for change in (-5, 5):
        arrays = {**built.arrays(), array: built.arrays()[array] + change}
        with pytest.raises(IndexDamagedError, match="the postings of a segment"):
            postings.merge([built, postings.Postings(**arrays, languages=("en",))], [None, None], ("en",))
