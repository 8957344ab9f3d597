"""The file of token vectors: what is put is found, what is damaged or from anywhere does no harm."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semsearch.dense.residual_codec import ResidualCodec
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.late_interaction import TokenModel
from semsearch.errors import IndexDamagedError, TokenVectorsDamagedError
from semsearch.store.local import connection as connection_module
from semsearch.store.local import token_vectors
from semsearch.store.local.connection import Connection
from semsearch.store.local.stat_check import stat_check
from semsearch.store.local.store import LocalStore
from semsearch.store.local.token_vector_file import TOKEN_VECTORS_FILE, lacks_some, summary
from semsearch.store.local.token_vectors import LocalTokenVectors, examined, stored_token_vectors
from tests.support.corpus import file_id
from tests.support.local_index import small_index

MODEL = TokenModel("late", "a" * 64, 16)


def made(digest: bytes) -> Vectors:
    """(3 to 9, 16) unit rows that only the text has."""
    chance = np.random.default_rng(list(digest))
    return unit_rows(chance.standard_normal((int(chance.integers(3, 10)), 16)).astype(np.float32))


def fill(store: LocalStore, model: TokenModel = MODEL, most: int = 10**6) -> list[bytes]:
    """Keeps the token vectors of the passages that have none, of `most` at the most; returns the hashes of all."""
    with store.write() as writer:
        kept = writer.token_vectors()
        assert kept is not None
        with kept:
            if kept.recorded() != model:
                kept.begin(model)
            ids = kept.missing()
            for passage in writer.snapshot().passages(ids[:most]):
                kept.put([passage.text_hash], [made(passage.text_hash)])
            if len(ids) <= most:
                kept.finish()
        return [passage.text_hash for passage in writer.snapshot().passages(alive(store))]


def alive(store: LocalStore) -> list[int]:
    return store.read(lambda snapshot: [p.id for file in snapshot.files() for p in snapshot.passages_of(file.id)])


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return small_index(tmp_path / "index")


@pytest.fixture
def hashes(store: LocalStore) -> list[bytes]:
    return fill(store)


@pytest.fixture
def path(store: LocalStore, hashes: list[bytes]) -> Path:
    return Path(store.location) / TOKEN_VECTORS_FILE


def test_what_is_kept_is_found_by_the_text(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    found, damage = stored_token_vectors(store.location, MODEL, [*hashes, b"another"])
    assert not damage and found.keys() == set(hashes)
    for digest in hashes:
        np.testing.assert_allclose(found[digest], made(digest), atol=1e-3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(name for name in os.listdir(store.location) if "token" in name) == [TOKEN_VECTORS_FILE]
    for other in (TokenModel("late", "b" * 64, 16), TokenModel("late", "a" * 64, 32)):
        assert stored_token_vectors(store.location, other, hashes) == ({}, "")
    told = store.read(lambda snapshot: snapshot.storage().token_vectors)
    count, size = len(set(hashes)), path.stat().st_size
    assert told == {"model": "late", "dim": 16, "passages": count, "texts": count, "bytes": size}


def test_without_a_file_nothing_is_kept(store: LocalStore) -> None:
    assert stored_token_vectors(store.location, MODEL, [b"x"]) == ({}, "")
    assert store.read(lambda snapshot: snapshot.storage().token_vectors) is None
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        assert kept.recorded() is None
        kept.remove()


def test_what_is_gone_is_dropped_and_what_is_new_is_missing(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    assert complete(store) is not False
    with store.write() as writer, writer.transaction() as transaction:
        transaction.delete_files([file_id(store, "0/5.md")])
    assert not complete(store)
    left = fill(store)
    assert len(left) < len(hashes) and complete(store)
    with closing(sqlite3.connect(path)) as connection:
        assert {row[0] for row in connection.execute("SELECT hash FROM passages")} == set(left)


def complete(store: LocalStore) -> bool:
    return store.read(lambda snapshot: not lacks_some(snapshot.catalog))


def test_a_run_that_was_cut_off_is_gone_on_with(store: LocalStore) -> None:
    hashes = fill(store, most=7)
    assert len(stored_token_vectors(store.location, MODEL, hashes)[0]) == 7 and not complete(store)
    fill(store)
    assert len(stored_token_vectors(store.location, MODEL, hashes)[0]) == len(set(hashes)) and complete(store)
    fill(store, TokenModel("other", "c" * 64, 16), most=3)
    assert stored_token_vectors(store.location, MODEL, hashes) == ({}, ""), "begun anew for another model"


def test_enough_token_vectors_are_coded(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_vectors, "CODED_FROM", 600)
    hashes = fill(store)
    path = Path(store.location) / TOKEN_VECTORS_FILE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT codebook IS NOT NULL FROM model").fetchone() == (1,)
        for tokens, size in connection.execute("SELECT tokens, length(data) FROM passages"):
            assert size == 8 + tokens * (2 + 16 // 4)
    found, damage = stored_token_vectors(store.location, MODEL, hashes)
    assert not damage and found.keys() == set(hashes)
    cosines = np.concatenate([(found[digest] * made(digest)).sum(axis=1) for digest in hashes])
    assert cosines.mean() > 0.9
    assert not examined(store.location) and complete(store)
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        kept.recorded()
        assert kept.size(1000) == 1000 * 6
        before = path.stat().st_ino
        kept.put([hashes[0]], [made(hashes[0])])
    assert path.stat().st_ino == before


def test_what_another_process_hinders_is_no_damage(
    store: LocalStore, hashes: list[bytes], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run removes what is damaged: hours of work, for a file that is only in use, or on a disk that is full."""
    monkeypatch.setattr(connection_module, "_LOCK_SECONDS", 0.1)
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                kept.recorded()
        kept.recorded()
        assert not kept.missing()


def test_numbers_of_tokens_that_are_too_large_are_damage(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    statement(f"UPDATE passages SET tokens = {2**63 - 1}")(path)
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        kept.recorded()
        assert not kept.missing() and kept.size(1) > 0
        with pytest.raises(TokenVectorsDamagedError, match="a row has no number of tokens"):
            kept.finish()


def test_only_a_file_with_much_that_is_free_is_written_anew(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        kept.recorded()
        many = [bytes([number]) * 20 for number in range(100)]
        kept.put(many, [np.zeros((120, 16), np.float32)] * 100)
        kept._change(lambda own: own.executemany("DELETE FROM passages WHERE hash = ?", [(one,) for one in many[:15]]))
        kept.finish()
        assert kept._connection is not None
        assert kept._connection.execute("PRAGMA freelist_count").fetchone()[0] > 0
        kept.missing()  # the others are of no passage
        kept.finish()
        assert kept._connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("question", ["search", "verify"])
def test_a_run_that_codes_all_rows_meanwhile_is_no_damage(
    store: LocalStore, hashes: list[bytes], monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    recorded = token_vectors._recorded
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        kept.recorded()
        kept.put([hashes[0]], [made(hashes[0])])

        def coded_meanwhile(connection: Connection) -> object:
            answer = recorded(connection)
            kept._change(lambda own: kept._code_all(own, 1))
            return answer

        monkeypatch.setattr(token_vectors, "_recorded", coded_meanwhile)
        if question == "verify":
            assert not examined(store.location)
        else:
            found, damage = stored_token_vectors(store.location, MODEL, hashes)
            assert not damage and found.keys() == set(hashes)
        assert kept._codec is not None


def test_a_file_that_is_begun_anew_is_whole_for_searches_at_any_time(
    store: LocalStore, hashes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, damages = Connection.execute, list[str]()

    def watched(self: Connection, *arguments: object) -> sqlite3.Cursor:
        cursor = execute(self, *arguments)
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "execute", execute)
            damages.extend([examined(store.location), stored_token_vectors(store.location, MODEL, hashes)[1]])
        return cursor

    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        (Path(store.location) / f"{TOKEN_VECTORS_FILE}.new-wal").write_bytes(b"of a run that was killed")
        monkeypatch.setattr(Connection, "execute", watched)
        kept.begin(MODEL)
    assert len(damages) > 10 and not any(damages), damages
    assert sorted(name for name in os.listdir(store.location) if "token" in name) == [TOKEN_VECTORS_FILE]


def test_a_number_in_the_place_of_a_hash_takes_no_memory(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    statement(f"UPDATE passages SET hash = {10**15} WHERE hash = (SELECT MIN(hash) FROM passages)")(path)
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        kept.recorded()
        assert len(kept.missing()) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT 1 FROM passages WHERE typeof(hash) != 'blob'").fetchone() is None


def test_a_killed_writer_leaves_what_was_committed(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    copy = Path(store.location + "-killed")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM passages")
        shutil.copytree(store.location, copy)  # as it is on the disk now, with its log
        connection.execute("ROLLBACK")
    found, damage = stored_token_vectors(str(copy), MODEL, hashes)
    assert not damage and len(found) == len(set(hashes))


def test_any_changed_byte_does_no_harm(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    """A search finds what was written, or less of it and says so; it never finds anything else."""
    whole = path.read_bytes()
    chance = np.random.default_rng(7)
    told = 0
    for place in [*range(100), *chance.integers(100, len(whole), 150).tolist()]:
        data = bytearray(whole)
        data[place] ^= int(chance.integers(1, 256))
        path.write_bytes(data)
        found, damage = stored_token_vectors(store.location, MODEL, hashes)
        told += bool(damage)
        assert "\n" not in damage
        for digest, vectors in found.items():
            np.testing.assert_allclose(vectors, made(digest), atol=1e-3)
        if damage:
            assert not found and examined(store.location)
            assert "semsearch verify --repair --index" in damage
        assert store.read(lambda snapshot: summary(snapshot.catalog)) is not None
    assert told > 50


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def journal(path: Path) -> None:
    path.with_name(path.name + "-journal").write_bytes(b"x" * 600)


def statement(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(text)
            connection.commit()

    change.__name__ = text
    return change


def row(content: Callable[[Vectors, ResidualCodec | None], tuple[int, bytes]]) -> Callable[[Path], None]:
    """Changes every row, with a digest that is right."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for (digest,) in connection.execute("SELECT hash FROM passages").fetchall():
                tokens, data = content(made(digest), None)
                full = token_vectors._digest(digest, data) + data
                connection.execute("UPDATE passages SET tokens = ?, data = ? WHERE hash = ?", (tokens, full, digest))
            connection.commit()

    return change


def codebook(content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            digest = token_vectors._model_digest(MODEL, content)
            connection.execute("UPDATE model SET codebook = ?, digest = ?", (content, digest))
            connection.commit()

    return change


HARMFUL = [
    cut, empty, link, pipe, folder, journal,
    statement("CREATE TABLE more (x)"),
    statement("CREATE TRIGGER t AFTER UPDATE ON model BEGIN DELETE FROM passages; END"),
    statement("CREATE VIEW v AS SELECT 1"),
    statement("DROP TABLE passages"),
    statement("PRAGMA user_version = 2"),
    statement("PRAGMA application_id = 1"),
    statement("DELETE FROM model"),
    statement("INSERT INTO model SELECT * FROM model"),
    statement("UPDATE model SET dim = 2000000000"),
    statement("UPDATE model SET dim = 'x'"),
    statement("UPDATE model SET name = zeroblob(9)"),
    statement("UPDATE passages SET tokens = 5000000000"),
    statement("UPDATE passages SET tokens = 'x'"),
    statement("UPDATE passages SET data = 'x'"),
    statement("UPDATE passages SET data = zeroblob(20)"),
    row(lambda vectors, _: (len(vectors) + 1, vectors.astype("<f2").tobytes())),
    row(lambda vectors, _: (-1, b"")),
    codebook(b""), codebook(b"x" * 28), codebook(b"x" * 29), codebook(b"\xff" * 60),
]  # fmt: skip


@pytest.mark.parametrize("change", HARMFUL, ids=lambda change: getattr(change, "__name__", "rows"))
def test_a_file_from_anywhere_is_not_used(
    store: LocalStore, hashes: list[bytes], path: Path, change: Callable[[Path], None]
) -> None:
    change(path)
    found, damage = stored_token_vectors(store.location, MODEL, hashes)
    assert found == {} and str(path) in damage and "\n" not in damage
    assert examined(store.location)
    # A writer says what is wrong, and begins anew or removes it; nothing elsewhere is touched.
    with store.write() as writer, LocalTokenVectors(writer._index.catalog) as kept:  # type: ignore[attr-defined]
        with pytest.raises(IndexDamagedError):
            kept.recorded()
            kept.missing()
            raise IndexDamagedError("only rows are damaged, which a writer does not read")
        kept.begin(MODEL)
        assert kept.recorded() == MODEL and len(kept.missing()) == len(set(hashes))
        kept.remove()
    assert not path.exists() and not os.path.lexists(path)
    if change is link:
        assert path.with_suffix(".elsewhere").exists()


def test_codes_without_centroids_are_no_vectors(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    codec = ResidualCodec(unit_rows(np.eye(2, 16, dtype=np.float32)), np.zeros(3, np.float32), np.ones(4, np.float32))
    codebook(token_vectors._packed_codec(codec))(path)
    row(lambda vectors, _: (2, np.array([1, 0], "<u2").tobytes() + b"\1" * 8))(path)
    found, damage = stored_token_vectors(store.location, MODEL, hashes)
    assert not damage and all(vectors.shape == (2, 16) for vectors in found.values())
    row(lambda vectors, _: (2, np.array([1, 2], "<u2").tobytes() + b"\1" * 8))(path)
    found, damage = stored_token_vectors(store.location, MODEL, hashes)
    assert not found and "names a centroid that there is not" in damage


def test_numbers_that_are_none_become_no_direction(store: LocalStore, hashes: list[bytes], path: Path) -> None:
    row(lambda vectors, _: (1, np.full(16, np.nan, "<f2").tobytes()))(path)
    found, damage = stored_token_vectors(store.location, MODEL, hashes)
    assert not damage and not any(vectors.any() for vectors in found.values())


def test_an_enormous_row_is_not_read(
    store: LocalStore, hashes: list[bytes], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_vectors, "_SMALL", "WHERE length(data) <= 100")
    monkeypatch.setattr(token_vectors, "_IS_SMALL", "length(data) <= 100")
    statement("UPDATE passages SET data = zeroblob(5000)")(path)
    assert stored_token_vectors(store.location, MODEL, hashes) == ({}, "")
    assert examined(store.location) == "a row is larger than any that semsearch writes"


def test_verify_finds_the_damage_and_repair_removes_the_file(
    store: LocalStore, hashes: list[bytes], path: Path
) -> None:
    def no_encoder(*_: object) -> Callable[..., None]:
        raise AssertionError("nothing is to be encoded")

    assert not store.examine().problems
    statement("UPDATE passages SET data = zeroblob(20)")(path)
    (problem,) = store.examine().problems
    assert problem.part == TOKEN_VECTORS_FILE and "a row is not what was written" in problem.what
    store.repair(False, no_encoder, print)
    assert not path.exists() and not store.examine().problems


def test_the_stat_check_sees_that_some_are_missing(store: LocalStore) -> None:
    """Without its roots there is nothing to compare here: that it goes so far is what is looked at."""
    with store.write():
        pass
    before = complete(store)
    fill(store, most=3)
    assert before and not complete(store)
    assert stat_check(store.location, []) is None


def test_a_copy_to_try_something_on_has_none(store: LocalStore, hashes: list[bytes], tmp_path: Path) -> None:
    clone = store.clone(str(tmp_path / "clone"))
    assert not (tmp_path / "clone" / TOKEN_VECTORS_FILE).exists()
    assert stored_token_vectors(clone.location, MODEL, hashes) == ({}, "")
