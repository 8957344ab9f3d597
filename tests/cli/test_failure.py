"""What is said of secrets on the command line."""

import pytest

from tests.support.commands import Command


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("chroma://:hunter2@127.0.0.1:1/docs", "CHROMA_API_KEY"),
        ("qdrant://:hunter2@127.0.0.1:1/docs", "QDRANT_API_KEY"),
        ("milvus://root:hunter2@127.0.0.1:1/docs", "MILVUS_PASSWORD"),
        ("pgvector://me:hunter2@127.0.0.1:1/docs", "PGPASSFILE"),
    ],
)
def test_the_place_of_a_password_is_that_of_its_database(
    semsearch: Command, tmp_path: object, url: str, place: str
) -> None:
    done = semsearch("index", tmp_path, "--model", "static", "--vectors", url)
    advice = next(line for line in done.err.splitlines() if "others on this machine" in line)
    assert place in advice and "hunter2" not in done.err
    assert ("PGPASS" in advice) == url.startswith("pgvector")
