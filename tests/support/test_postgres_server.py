"""The server that tests start asks for passwords, keeps what was committed, and outlives nobody."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.folders import PROJECT
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import wait_until


def test_it_asks_for_a_password_and_keeps_what_was_committed_over_a_crash() -> None:
    with PostgresServer() as server:
        database = server.new_database()
        with server.superuser(database) as connection:
            connection.execute("CREATE TABLE rows AS SELECT '[1,2]'::halfvec(2) AS vector")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url(database, password="wrong"))
        server.restart(signal.SIGKILL)
        with server.superuser(database) as connection:
            assert connection.execute("SELECT count(*) FROM rows").fetchone() == (1,)
    assert not server.folder.exists()


KILLED = """
import os, signal
from tests.support.postgres_server import PostgresServer
server = PostgresServer().__enter__()
print(server.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_ends_with_the_process_that_started_it() -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder = Path(done.stdout.strip())
    wait_until(lambda: not (folder / "data" / "postmaster.pid").exists())
    shutil.rmtree(folder)
