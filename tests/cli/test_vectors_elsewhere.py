"""The commands on an index folder whose vectors a vector database keeps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Command, Completed, one_line_error
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


class Elsewhere:
    """A folder, an index `own`, and an index `other` with its vectors at `url`, which has no password in it."""

    def __init__(self, base: Path, server: PostgresServer, semsearch: Command) -> None:
        self.server, self._semsearch = server, semsearch
        self.folder, self.own, self.other = base / "folder", base / "own", base / "other"
        self.database = server.new_database(extensions=())
        self.url = f"pgvector://postgres@127.0.0.1:{server.port}/{self.database}?table=notes"
        write(self.folder, dict(texts(30, 1)))
        for index in (self.own, self.other):
            vectors = ["--vectors", self.url] * (index == self.other)
            done = self.run("index", self.folder, "-i", index, "--model", "static", "-q", *vectors)
            assert done.code == 0, done.err

    def run(self, *arguments: object, env: dict[str, str] | None = None) -> Completed:
        return self._semsearch(*arguments, env={"PGPASSWORD": self.server.password} if env is None else env)

    def both(self, *arguments: object) -> tuple[Completed, Completed]:
        """What a command says of each index."""
        own, other = (self.run(*arguments, "-i", index) for index in (self.own, self.other))
        assert own.code == other.code, other.err
        return own, other

    def rows(self, column: str) -> list[Any]:
        with self.server.superuser(self.database) as connection:
            found = connection.execute(f"SELECT {column} FROM notes ORDER BY chunk_id".encode()).fetchall()
        return [row[0] for row in found]


@pytest.fixture
def elsewhere(tmp_path: Path, server: PostgresServer, semsearch: Command) -> Elsewhere:
    return Elsewhere(tmp_path, server, semsearch)


def _without(value: Any, *names: str) -> Any:
    """A JSON value without the fields `names`, and with scores that can be compared."""
    if isinstance(value, dict):
        return {key: _without(item, *names) for key, item in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(item, *names) for item in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


_OTHERWISE = ("index", "indexes", "seconds", "took_ms", "token", "took", "timing", "milliseconds")


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "--json", "boats near the harbour"),
        ("search", "--json", "--mode", "dense", "-k", "25", "fresh bread"),
        ("search", "--json", "--mode", "lexical", "old maps"),
        ("search", "--json", '"old maps" -church', "--path", "1-2*"),
        ("search", "--json", "--like", "1-3.txt"),
        ("ask", "--json", "Who paints the boat?"),
        ("why", "--json", "boats near the harbour", "1-3.txt"),
    ],
    ids=lambda arguments: " ".join(arguments[:4]),
)
def test_says_what_it_says_of_vectors_of_its_own(elsewhere: Elsewhere, arguments: tuple[str, ...]) -> None:
    own, other = elsewhere.both(*arguments)
    if other.out:
        assert _without(other.json, *_OTHERWISE) == _without(own.json, *_OTHERWISE)


def test_several_indexes_are_searched_as_one(elsewhere: Elsewhere) -> None:
    done = elsewhere.run("search", "--json", "boats", "-i", elsewhere.own, "-i", elsewhere.other)
    assert done.code == 0, done.err


def test_what_measures_and_tunes(elsewhere: Elsewhere) -> None:
    for arguments in (("bench", "vectors"), ("bench", "speed"), ("bench", "quality"), ("tune", "--dry-run")):
        done = elsewhere.run(*arguments, "-i", elsewhere.other)
        # Nothing was learnt that is surely better: 1.
        assert done.code == (arguments[0] == "tune"), done.err
    assert len(elsewhere.rows("path")) == 30


def test_the_status_and_quantize_say_where_they_are(elsewhere: Elsewhere) -> None:
    status = elsewhere.run("status", "-i", elsewhere.other)
    assert f"vectors   kept by {elsewhere.url}" in status.out.splitlines()
    assert elsewhere.run("status", "--json", "-i", elsewhere.other).json["vectors"]["at"] == elsewhere.url
    done = elsewhere.run("quantize", "int8", "-i", elsewhere.other)
    line = one_line_error(done.err)
    assert done.code == 2 and "docs/vector-databases.md" in line
    assert f"semsearch index --vectors index --index {elsewhere.other}" in line


def test_a_move_is_told(elsewhere: Elsewhere) -> None:
    index, url = ("-i", elsewhere.own), elsewhere.url.replace("notes", "later")
    there = f"30 vectors moved to {url}"
    assert f"would be: {there}" in elsewhere.run("index", "--dry-run", "--vectors", url, *index).out
    assert f"30 files, 30 chunks: {there} (" in elsewhere.run("index", "--vectors", url, *index).out
    assert "30 chunks: up to date" in elsewhere.run("index", "--vectors", url, *index).out, "it is there already"
    back = elsewhere.run("index", "--vectors", "index", "--json", *index).json
    assert back["moved"] == {"vectors": 30, "to": None}
    assert "moved" not in elsewhere.run("index", "--json", *index).json
    elsewhere.run("index", "-q", "--vectors", url, *index)
    assert "30 chunks: 30 vectors moved into the index (" in elsewhere.run("index", "--vectors", "index", *index).out


def test_payloads_follow_files(elsewhere: Elsewhere, tmp_path: Path) -> None:
    (elsewhere.folder / "1-0.txt").rename(elsewhere.folder / "moved.txt")
    (elsewhere.folder / "1-1.txt").unlink()
    assert elsewhere.run("index", "-q", "-i", elsewhere.other).code == 0
    paths = elsewhere.rows("path")
    assert "moved.txt" in paths and not {"1-0.txt", "1-1.txt"} & set(paths)
    write(tmp_path / "second", {"whales.txt": "Whales sing in the deep sea."})
    assert elsewhere.run("index", tmp_path / "second", "-q", "-i", elsewhere.other).code == 0
    paths = elsewhere.rows("path")
    assert "folder/moved.txt" in paths and "second/whales.txt" in paths
    assert elsewhere.rows("payload")[0]["type"] == "text" and all(elsewhere.rows("text"))


def test_texts_are_not_told_where_that_is_asked_for(elsewhere: Elsewhere, tmp_path: Path) -> None:
    url = elsewhere.url.replace("notes", "without&text=0")
    done = elsewhere.run("index", elsewhere.folder, "-q", "-i", tmp_path / "third", "--vectors", url)
    assert done.code == 0, done.err
    with elsewhere.server.superuser(elsewhere.database) as connection:
        assert connection.execute("SELECT count(text), count(path) FROM without").fetchone() == (0, 30)


def test_a_password_is_nowhere(elsewhere: Elsewhere, tmp_path: Path) -> None:
    password = elsewhere.server.password
    url = elsewhere.url.replace("postgres@", f"postgres:{password}@").replace("notes", "secret")
    index = tmp_path / "third"
    said = [elsewhere.run("index", elsewhere.folder, "-i", index, "--vectors", url, env={})]
    assert said[0].code == 0 and "can see the password" in said[0].err
    said += [elsewhere.run(*words, "-i", index, env={}) for words in (("status",), ("status", "--json"))]
    failed = elsewhere.run("search", "boats", "-i", index, env={})
    assert failed.code == 2
    one_line_error(failed.err)
    assert not any(password in one.out + one.err for one in [*said, failed])
    assert not any(password.encode() in path.read_bytes() for path in index.rglob("*") if path.is_file())
    assert elsewhere.run("search", "boats", "-i", index).code == 0


def test_a_database_that_does_not_answer(tmp_path: Path, semsearch: Command) -> None:
    with PostgresServer() as server:
        elsewhere = Elsewhere(tmp_path, server, semsearch)
        index = ("-i", elsewhere.other)
        server.stop()
        for mode in ("hybrid", "dense"):
            done = elsewhere.run("search", "--mode", mode, "boats near the harbour", *index)
            assert done.code == 2 and "--mode lexical" in one_line_error(done.err)
        assert elsewhere.run("search", "--mode", "lexical", "boat", *index).code == 0
        write(elsewhere.folder, {"whales.txt": "Whales sing in the deep sea."})
        (elsewhere.folder / "1-0.txt").rename(elsewhere.folder / "moved.txt")
        (elsewhere.folder / "1-1.txt").unlink()
        done = elsewhere.run("index", "-q", *index)
        assert done.code == 2 and "cannot be reached" in one_line_error(done.err)
        found = elsewhere.run("search", "--mode", "lexical", "--json", "whales sing", *index).json["results"]
        assert [hit["path"] for hit in found] == ["whales.txt"]
        server.start()
        assert elsewhere.run("index", "-q", *index).code == 0
        assert {"whales.txt", "moved.txt"} <= set(elsewhere.rows("path")) and len(elsewhere.rows("path")) == 30


@pytest.mark.parametrize("change", ["deleted", "renamed"])
def test_a_run_that_finds_nothing_new_tells_what_an_earlier_one_could_not(
    tmp_path: Path, semsearch: Command, change: str
) -> None:
    with PostgresServer() as server:
        elsewhere = Elsewhere(tmp_path, server, semsearch)
        server.stop()
        if change == "deleted":
            (elsewhere.folder / "1-1.txt").unlink()
        else:
            (elsewhere.folder / "1-1.txt").rename(elsewhere.folder / "moved.txt")
        assert elsewhere.run("index", "-q", "-i", elsewhere.other).code == 2
        server.start()
        assert elsewhere.run("index", "-q", "-i", elsewhere.other).code == 0
        paths = elsewhere.rows("path")
        assert "1-1.txt" not in paths and ("moved.txt" in paths) == (change == "renamed")


def test_verify_and_its_repair(elsewhere: Elsewhere) -> None:
    with elsewhere.server.superuser(elsewhere.database) as connection:
        connection.execute("DELETE FROM notes WHERE chunk_id % 3 = 0")
    done = elsewhere.run("verify", "-i", elsewhere.other)
    assert done.code == 1 and "10 passages have no vectors (--repair: encode them again)" in done.out
    failed = elsewhere.run("search", "--mode", "dense", "boats", "-i", elsewhere.other)
    assert failed.code == 2 and "verify --repair" in one_line_error(failed.err)
    assert elsewhere.run("verify", "--repair", "-i", elsewhere.other).code == 0
    own, other = elsewhere.both("search", "--json", "--mode", "dense", "boats")
    assert [hit["path"] for hit in other.json["results"]] == [hit["path"] for hit in own.json["results"]]
    assert json.loads(elsewhere.run("verify", "--json", "-i", elsewhere.other).out)["good"]


# -- where they are to be --------------------------------------------------------------------------------------------


def test_a_collection_may_be_spelled_otherwise(elsewhere: Elsewhere) -> None:
    port, index = elsewhere.server.port, ("-i", elsewhere.other)
    database = f"{elsewhere.database}?table=notes"
    environment = {"PGPASSWORD": elsewhere.server.password, "PGUSER": "postgres"}
    for url in (
        f"pgvector://postgres@127.0.0.1:{port}/{elsewhere.database}/?table=notes",
        f"PGVECTOR://postgres@127.0.0.1:{port}/{database}&schema=public",
        f"pgvector://postgres:{elsewhere.server.password}@127.0.0.1:{port}/{database}",
        f"pgvector://127.0.0.1:{port}/{database}&application_name=cron",
    ):
        done = elsewhere.run("index", "--json", "--vectors", url, *index, env=environment)
        assert done.code == 0, done.err
        assert done.json["chunks"]["encoded"] == 0
        assert len(elsewhere.rows("path")) == 30
    at = elsewhere.run("status", "--json", *index).json["vectors"]["at"]
    assert at == f"pgvector://127.0.0.1:{port}/{database}&application_name=cron", "the last one is recorded"
    assert elsewhere.run("verify", *index, env=environment).code == 0
    # Another table is another place.
    moved = elsewhere.run("index", "-q", "--vectors", elsewhere.url.replace("notes", "others"), *index, env=environment)
    assert moved.code == 0, moved.err
    with elsewhere.server.superuser(elsewhere.database) as connection:
        assert connection.execute("SELECT to_regclass('notes'), count(*) FROM others").fetchone() == (None, 30)


def test_texts_are_told_or_not_from_now_on(elsewhere: Elsewhere) -> None:
    index = ("-i", elsewhere.other)
    for url, told in ((f"{elsewhere.url}&text=0", 0), (elsewhere.url, 30), (f"{elsewhere.url}&text=1", 30)):
        assert elsewhere.run("index", "-q", "--vectors", url, *index).code == 0
        assert len([text for text in elsewhere.rows("text") if text]) == told
        assert len(elsewhere.rows("path")) == 30


def test_a_refused_place_leaves_nothing_behind(elsewhere: Elsewhere, tmp_path: Path) -> None:
    made = tmp_path / "never" / "made"
    before = sorted(elsewhere.own.rglob("*"))
    for url, said in (
        ("nowhere", "nowhere is not the URL of a vector database"),
        ("pgvector:/me:secret@host/db?password=x", "...@host/db is not the URL of a vector database"),
        ("mysql://host/db", "no vector database is called mysql"),
        ("qdrant://localhost:x/notes", "a host or a port that is none"),
        ("chroma://localhost", "names no collection"),
        ("pgvector://postgres@127.0.0.1:1/notes", "cannot be reached"),
        (elsewhere.url, "holds vectors already"),
    ):
        for flags in ((), ("--no-embed",), ("--rebuild",)):
            refused = elsewhere.run("index", elsewhere.folder, "-i", made, "--vectors", url, *flags)
            assert refused.code == 2 and said in one_line_error(refused.err), (url, flags)
        assert not made.parent.exists()
        refused = elsewhere.run("index", "-i", elsewhere.own, "--vectors", url)
        assert refused.code == 2 and said in one_line_error(refused.err)
    assert sorted(elsewhere.own.rglob("*")) == before
    assert elsewhere.run("index", "-q", "-i", elsewhere.own).code == 0
    assert elsewhere.run("search", "boats near the harbour", "-i", elsewhere.own).code == 0


def test_a_refused_database_gets_no_tables(elsewhere: Elsewhere) -> None:
    database = elsewhere.server.new_database()
    url = f"postgresql://postgres@127.0.0.1:{elsewhere.server.port}/{database}"
    refused = elsewhere.run("index", elsewhere.folder, "-i", url, "--vectors", elsewhere.url)
    line = one_line_error(refused.err)
    assert refused.code == 2 and "holds vectors already" in line
    with elsewhere.server.superuser(database) as connection:
        assert connection.execute("SELECT to_regnamespace('semsearch')").fetchone() == (None,)
