"""An examination of an index in PostgreSQL names what is damaged, and a repair and a run bring back what answers as
before."""

import gc
import json
import mailbox
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import psycopg
import pytest

from semsearch.errors import IndexDamagedError, SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.index_status import index_status
from semsearch.maintenance.verification import VerifyReport, verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.settings import without_password
from semsearch.store.opening import open_store
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.nearly import nearly
from tests.support.postgres_server import shared_server

pytestmark = pytest.mark.slow
QUERIES = ("who paints boats near the harbour", "bread at the market", "horses in winter", "letter number 2")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with an index of three runs, in which files were deleted and one holds several mails."""
    folder = tmp_path_factory.mktemp("damaged") / "folder"
    server = shared_server()
    name = server.new_database()
    for seed in (1, 2, 3):
        write(folder, {**texts(12, seed), f"{seed}.png": b"\x89PNG\r\n\x1a\n" + bytes(99)})  # type: ignore[arg-type]
        if seed == 2:
            write_mails(folder / "a.mbox")
        if seed == 3:
            (folder / "1-3.txt").unlink()
        index_folders([str(folder)], server.url(name), IndexOptions(model="static" if seed == 1 else None))
    gc.collect()
    return name


def write_mails(path: Path) -> None:
    box = mailbox.mbox(path)
    for number in range(4):
        mail = EmailMessage()
        mail["Subject"], mail["From"] = f"Letter number {number}", f"ada{number}@example.org"
        mail.set_content(f"The letter number {number} is about horses and boats.")
        box.add(mail)
    box.close()


def index_again(url: str, model: str | None) -> None:
    store = open_store(url)
    folders = [root.path for root in store.read(lambda snapshot: snapshot.info().roots)]
    store.close()
    index_folders(folders, url, IndexOptions(model=model))


@pytest.fixture
def url(original: str) -> str:
    server = shared_server()
    gc.collect()  # connections to the original
    return server.url(server.copied_database(original))


def sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c search_path=semsearch,public") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def answers(url: str) -> list[object]:
    found: list[object] = []
    with Searcher(url) as searcher:
        for query in QUERIES:
            for mode in ("lexical", "dense", "hybrid"):
                result = searcher.search(query, SearchOptions(mode=mode, k=8, min_score=0))
                found.append([(hit.path, hit.text, hit.score) for hit in result.hits])
    return found


def check(url: str, repair: bool = False) -> VerifyReport:
    return verify(url, repair, False, lambda message: None)


def test_an_index_that_is_good_has_no_problems(url: str) -> None:
    report = check(url)
    assert (report.problems, report.notices, report.files) == ((), (), 36)
    assert report.chunks >= 36 and report.segments >= 3
    assert check(url, repair=True).repaired == ()


# What is done -> what is said of it.
DAMAGES: dict[tuple[str, ...], str] = {
    ("UPDATE chunks SET text = text || '!' WHERE id = 5",): "a passage is not what was written",
    ("UPDATE chunks SET heading = '[' WHERE id = 5",): "a passage is not what was written",
    ("UPDATE chunks SET line_breaks = '[1]' WHERE id = 5",): "a passage is not what was written",
    ("UPDATE chunks SET nuls = '{99999}' WHERE id = 5",): "a passage is not what was written",
    ("UPDATE chunks SET hash = '\\x00' WHERE id = 5",): "a passage is not what was written",
    ("DELETE FROM chunks WHERE id = 5",): "its passages do not fit it",
    ("UPDATE chunks SET file_id = 99999 WHERE id = 5",): "1 passage is of no file",
    ("UPDATE chunks SET terms = 3 WHERE id = 5",): "1 passage has another number of words",
    ("UPDATE chunks SET id = 4999 WHERE id = 5",): "its passages do not fit it",
    ("DELETE FROM files WHERE id = 2",): "1 passage is of no file",
    ("DELETE FROM files",): "passages are of no file",
    ("UPDATE files SET metadata = '[' WHERE id = 2",): "in no folder of the index, or its row is damaged",
    ("UPDATE files SET root_id = 99 WHERE id = 2",): "in no folder of the index, or its row is damaged",
    ("UPDATE files SET date = 'Infinity' WHERE id = 2",): "in no folder of the index, or its row is damaged",
    ("UPDATE files SET first_chunk = 900 WHERE id = 2",): "its passages do not fit it",
    ("UPDATE files SET chunk_count = 900 WHERE id = 2",): "its passages do not fit it",
    ("DELETE FROM parts WHERE first_chunk = (SELECT max(first_chunk) FROM parts)",): "the documents in it do not fit",
    ("UPDATE parts SET chunk_count = 3",): "the documents in it do not fit",
    ("UPDATE parts SET metadata = '7'",): "the documents in it do not fit",
    ("INSERT INTO parts VALUES (9999, 1, 1, '', '{}', NULL, '')",): "document is of no file",
    ("DELETE FROM postings WHERE segment_id = 1",): "its words are not what was written",
    ("UPDATE postings SET data = set_byte(data, 4, 9) WHERE segment_id = 2",): "its words are not what was written",
    ("UPDATE postings SET data = substr(data, 2) WHERE segment_id = 2",): "the postings of a term are cut off",
    ("DELETE FROM segments",): "words are of no segment",
    ("DELETE FROM segments", "DELETE FROM postings"): "passages have no words",
    ("UPDATE segments SET checksum = 7 WHERE id = 1",): "its words are not what was written",
    ("UPDATE segments SET last_id = 2 WHERE id = 2",): "it has other passages than its row says",
    ("UPDATE segments SET chunks = chunks - 1 WHERE id = 2",): "it has other passages than its row says",
    ("UPDATE segments SET dead = ''",): "its list of deleted passages does not fit",
    ("UPDATE segments SET dead = '\\x05000000' WHERE id = 1",): "its list of deleted passages does not fit",
    ("UPDATE segments SET dead = '\\x0500'",): "its list of deleted passages does not fit",
    (
        "INSERT INTO segments SELECT 77, first_id, last_id, chunks, dead, checksum, languages FROM segments"
        " WHERE id = 2",
        "INSERT INTO postings SELECT 77, term, data FROM postings WHERE segment_id = 2",
    ): "its passages are in two segments",
    ("DELETE FROM vectors WHERE chunk_id < 9",): "have no vector, and do not wait for one",
    ("INSERT INTO vectors SELECT 8888, embedding FROM vectors LIMIT 1",): "1 vector is of no passage",
    ("UPDATE vectors SET embedding = '[1,0]' WHERE chunk_id = 5",): "1 vector is none that the model makes",
    ("UPDATE vectors SET embedding = embedding + embedding WHERE chunk_id = 5",): "1 vector is none that the model",
    ("INSERT INTO kept_vectors VALUES ('\\x77', '[1,0]')",): "1 vector is none that the model makes",
    ("INSERT INTO encode_queue VALUES (7777, 3)",): "1 waiting passage is not there",
    ("INSERT INTO encode_queue VALUES (5, 3)",): "1 waiting passage is encoded already",
    ("DELETE FROM vectors WHERE chunk_id = 5", "INSERT INTO encode_queue VALUES (5, 999999)"): "another size",
    ("UPDATE state SET next_chunk = 3",): "the number of the next passage was given already",
    ("UPDATE state SET next_file = 3",): "the number of the next file was given already",
    ("UPDATE state SET next_root = 1",): "the number of the next folder was given already",
    ("UPDATE state SET next_segment = 1",): "the number of the next segment was given already",
    ("UPDATE state SET chunks = 3",): "it counts 3 passages",
    ("UPDATE state SET terms = 3",): "it counts 3 words",
    ("UPDATE state SET indexed = 3, skipped = 0, failed = 2",): "it counts 3 indexed files",
    ("UPDATE settings SET value = '7' WHERE name = 'rules'",): "what it records as rules is damaged",
    ("UPDATE settings SET value = '{' WHERE name = 'chunking'",): "what it records as chunking is damaged",
    ("UPDATE settings SET value = 'null' WHERE name = 'generation'",): "what it records as generation is damaged",
    (
        "DELETE FROM settings WHERE name = 'fusion'; INSERT INTO settings VALUES ('fusion', '[1')",
    ): "what it records as fusion is damaged",
    ("UPDATE settings SET value = '{\"dim\": 3}' WHERE name = 'model'",): "what it records as model is damaged",
    ("UPDATE runs SET report = '['",): "what it records of 3 runs is damaged",
    ("UPDATE runs SET report = '[1]' WHERE id = 1",): "what it records of 1 run is damaged",
    ("UPDATE runs SET started = 'infinity' WHERE id = 3",): "what it records of 1 run is damaged",
    ("UPDATE runs SET started = 1e300, seconds = 'NaN'",): "what it records of 3 runs is damaged",
    ("ALTER TABLE runs ALTER host DROP NOT NULL; UPDATE runs SET host = NULL",): "what it records of 3 runs is damaged",
    (
        "INSERT INTO writers (host, pid, folders, alone, lock_key, seen) VALUES ('x', 1, '{}', false, 5, 'infinity')",
    ): "what it records of 1 run is damaged",
    ("UPDATE roots SET checked = 'infinity'",): "its checked cannot be",
    ("UPDATE roots SET checked = '-infinity'",): "its checked cannot be",
    ("UPDATE roots SET readers = -3",): "its readers cannot be",
    ("ALTER TABLE roots ALTER host DROP NOT NULL; UPDATE roots SET host = NULL",): "its host cannot be",
    ("ALTER TABLE roots ALTER label DROP NOT NULL; UPDATE roots SET label = NULL",): "its label cannot be",
    ("UPDATE segments SET languages = '{NULL}'",): "its languages are not those of its passages",
    ("UPDATE segments SET languages = '{}' WHERE id = 1",): "its languages are not those of its passages",
    ("UPDATE segments SET languages = '{{en},{de}}' WHERE id = 1",): "its languages are not those of its passages",
    ("UPDATE segments SET languages = '{xx}' WHERE id = 2",): "its languages are not those of its passages",
    ("UPDATE state SET chunks = -3, terms = -7",): "it counts -3 passages",
    ("UPDATE state SET next_chunk = -1, skipped = -1",): "the number of the next passage was given already",
    (
        "CREATE INDEX vectors_hnsw ON vectors USING hnsw ((embedding::halfvec(256)) halfvec_ip_ops)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vectors_hnsw'::regclass",
    ): "the index of the vectors is not whole",
}  # fmt: skip


def told(url: str, ask: Callable[[], object]) -> None:
    """That `ask()` answers, or says in one line which index is damaged and what to do."""
    try:
        ask()
    except SemsearchError as error:
        assert error.message.startswith(f"{without_password(url)}: ") and error.hint
        assert "\n" not in error.message


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage[0][:60])
def test_what_is_damaged_is_found_and_mended(url: str, damage: tuple[str, ...]) -> None:
    before = answers(url)
    sql(url, *damage)
    for ask in (lambda: answers(url), lambda: json.dumps(index_status(url), allow_nan=False)):
        told(url, ask)
    report = check(url)
    assert any(DAMAGES[damage] in problem.what for problem in report.problems), report.problems
    assert all(problem.repair for problem in report.problems)
    mended = check(url, repair=True)
    assert mended.problems == ()
    if "INTO writers" not in damage[0]:  # the run that mends takes out what others have left anyway
        assert {problem.what for problem in mended.repaired} == {problem.what for problem in report.problems}
    index_again(url, "static" if "'model'" in damage[0] else None)
    assert answers(url) == nearly(before)
    assert check(url).problems == ()


def test_all_at_once(url: str) -> None:
    before = answers(url)
    for damage in DAMAGES:
        if "files'" not in damage[0]:
            with psycopg.connect(url, options="-c search_path=semsearch,public") as connection:
                try:
                    for statement in damage:
                        connection.execute(statement.encode())
                except psycopg.errors.UniqueViolation:  # another has put it there
                    connection.rollback()
    assert len(check(url).problems) > 5
    assert check(url, repair=True).problems == ()
    index_again(url, "static")
    assert answers(url) == nearly(before)
    assert check(url).problems == ()


# What the repair is cut off at: nothing of it is there then.
def test_a_repair_that_is_cut_off_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from semsearch.store.postgres import repair

    sql(
        url,
        "DELETE FROM postings WHERE segment_id = 1",
        "UPDATE state SET chunks = 3",
        "DELETE FROM files WHERE id = 2",
    )
    before = check(url).problems

    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(repair, "_index_words", cut_off)
        check(url, repair=True)
    assert check(url).problems == before
    assert check(url, repair=True).problems == ()


# What is done to bytes that do not know of which index they are -> a question that reads them.
BYTES: dict[str, tuple[str, str]] = {
    "UPDATE postings SET data = substr(data, 2)": ("lexical", "boats"),
    "UPDATE postings SET term = term || '\\xc3'": ("lexical", "boa*"),
    "UPDATE segments SET dead = '\\x05000000ff'": ("lexical", "boats"),

    "UPDATE settings SET value = '{\"dim\": 256, \"matrix\": \"?\"}' WHERE name = 'adapter'": ("dense", "boats"),
    "UPDATE settings SET value = '{\"meaning\": -1}' WHERE name = 'fusion'": ("hybrid", "boats"),
}  # fmt: skip


@pytest.mark.parametrize("damage", BYTES)
def test_damage_is_told_with_the_index_that_it_is_in(url: str, damage: str) -> None:
    sql(url, "INSERT INTO settings VALUES ('adapter', 'null'), ('fusion', 'null') ON CONFLICT DO NOTHING", damage)
    mode, query = BYTES[damage]
    with Searcher(url) as searcher, pytest.raises(IndexDamagedError) as caught:
        searcher.search(query, SearchOptions(mode=mode, min_score=0))  # type: ignore[arg-type]
    assert caught.value.message.startswith(f"{without_password(url)}: ") and caught.value.hint
    assert caught.value.message.count(without_password(url)) == 1


def test_a_folder_without_a_place_is_taken_out_and_indexed_anew(url: str) -> None:
    before = answers(url)
    (path,) = (root.path for root in open_store(url).read(lambda snapshot: snapshot.info().roots))
    for damage in ("\\x00", "\\x78", "\\x2f6100"):
        sql(url, f"UPDATE roots SET path = '{damage}'")
        told(url, lambda: answers(url))
        told(url, lambda: index_status(url))
        assert any(problem.what == "its path cannot be" for problem in check(url).problems)
        assert check(url, repair=True).problems == ()
        assert index_status(url)["files"]["indexed"] == 0
        index_folders([path], url, IndexOptions())
        assert answers(url) == nearly(before)


def test_folders_with_one_label_are_told_apart(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_HOST", "elsewhere")
    write(tmp_path / "more", {"boats.txt": "Boats and horses of another machine.\n"})
    index_folders([str(tmp_path / "more")], url, IndexOptions())
    monkeypatch.delenv("SEMSEARCH_HOST")
    sql(url, "ALTER TABLE roots DROP CONSTRAINT roots_label_key", "UPDATE roots SET label = 'docs'")
    told(url, lambda: answers(url))
    assert any(problem.what == "its label cannot be" for problem in check(url).problems)
    assert check(url, repair=True).problems == ()
    roots = open_store(url).read(lambda snapshot: snapshot.info().roots)
    assert [(root.host == "elsewhere", root.label) for root in roots] == [(False, "docs"), (True, "docs-2")]
    monkeypatch.setenv("SEMSEARCH_HOST", roots[0].host)
    # The folder of a machine that nobody knows is taken for one of this one, unless this one has it.
    sql(
        url, "ALTER TABLE roots ALTER host DROP NOT NULL",
        "UPDATE roots SET host = NULL, path = (SELECT path FROM roots WHERE label = 'docs') WHERE label = 'docs-2'",
    )  # fmt: skip
    assert check(url, repair=True).problems == ()
    assert [root.label for root in open_store(url).read(lambda snapshot: snapshot.info().roots)] == ["docs"]
    assert index_status(url)["files"]["indexed"] == 36
