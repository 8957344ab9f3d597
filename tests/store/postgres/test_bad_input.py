"""What cannot be an index in PostgreSQL, or may not be written: each told in one line that says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from semsearch.store.opening import open_store
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.postgres_machines import Machine, ask, problems
from tests.support.postgres_server import PostgresServer
from tests.support.tls_proxy import TlsProxy

SECRET = "Tr0ub4dor-and-3"


@pytest.fixture
def bare(url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database without the password, which is in the environment."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    return url.replace(f":{server.password}@", "@")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n", "b.txt": "Rubies are red.\n"})
    return tmp_path / "docs"


def indexed(url: str, folder: Path) -> Machine:
    machine = Machine("alpha", url)
    done = machine.run("index", folder, "--model", "static", "-q")
    assert done.code == 0, done.err
    return machine


def refused(url: str, *arguments: object, **environment: str) -> str:
    """The one line that `semsearch ARGUMENT...` says."""
    done = Machine("alpha", url, environment).run(*arguments)
    assert done.code == 2, done
    return one_line_error(done.err)


def on_server(server: PostgresServer, database: str, *statements: str) -> None:
    with server.superuser(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def role(server: PostgresServer, database: str, name: str, *grants: str) -> str:
    """The URL of `database` for a new role `name`, whose password is its name."""
    user = f"{name}_{database}"
    on_server(server, database, f"CREATE ROLE {user} LOGIN PASSWORD '{user}'", *(one.format(user) for one in grants))
    return server.url(database, user, user)


# -- no connection


@pytest.mark.slow
def test_a_server_that_cannot_be_had_is_told(bare: str, server: PostgresServer, folder: Path) -> None:
    wrong = {
        bare.replace("127.0.0.1", "no-such-host.invalid"): "no-such-host.invalid",
        bare.replace(str(server.port), "1"): "refused",
        bare + "x": f'database "{bare.rpartition("/")[2]}x" does not exist (create it with: createdb NAME)',
        bare.replace("postgres@", "nobody@"): "password authentication failed",
        bare + "?sslmode=require": "does not support SSL, but SSL was required (check sslmode",
        bare + "?no_such_option=1": '"no_such_option" (write it like postgresql://USER@HOST/DATABASE',
        "postgresql://?service=missing": "definition of service",
    }  # fmt: skip
    for url, said in wrong.items():
        for command in (["search", "x"], ["status"], ["index", folder]):
            assert said in refused(url, *command), (url, command)
    assert "(check the user and the password" in refused(bare, "status", PGPASSWORD="wrong")
    assert "(put the password in a file that PGPASSFILE names" in refused(bare, "status", PGPASSWORD="")


# -- what is there


def test_a_database_without_an_index_is_told(bare: str) -> None:
    for command in (
        ["search", "x"],
        ["ask", "x"],
        ["status"],
        ["why", "x", "y"],
        ["index"],
        ["index", "--encode-only"],
    ):
        line = refused(bare, *command)
        assert f"no index at {bare}" in line and ("semsearch index FOLDER" in line)


def test_a_missing_extension_is_told(server: PostgresServer, folder: Path, bare: str) -> None:
    database = server.new_database(())
    user = f"weak_{database}"
    url = role(server, database, "weak").replace(f":{user}@", "@")
    line = refused(url, "index", folder, PGPASSWORD=user)
    assert "permission denied to create extension" in line and "run: CREATE EXTENSION vector" in line
    # Whoever may make it gets it.
    assert indexed(bare.rpartition("/")[0] + f"/{database}", folder)


def test_an_old_pgvector_is_told(server: PostgresServer, folder: Path, bare: str) -> None:
    database = bare.rpartition("/")[2]
    on_server(server, database, "UPDATE pg_extension SET extversion = '0.5.1' WHERE extname = 'vector'")
    assert "pgvector 0.5.1 is too old (install 0.7 or later" in refused(bare, "index", folder)


def test_a_newer_index_is_told(bare: str, folder: Path) -> None:
    machine = indexed(bare, folder)
    ask(bare, "UPDATE state SET format = 99")
    for command in (["search", "x"], ["status"], ["index"]):
        assert "newer semsearch" in one_line_error(machine.run(*command).err)
    # Also one that has other columns.
    ask(bare, "ALTER TABLE state RENAME terms TO words")
    for command in (["search", "x"], ["status"], ["index"]):
        assert "newer semsearch" in one_line_error(machine.run(*command).err)


def test_an_index_of_another_model_is_told(bare: str, folder: Path) -> None:
    machine = indexed(bare, folder)
    done = machine.run("index", "--model", "all-MiniLM-L6-v2")
    line = one_line_error(done.err)
    assert done.code == 2 and "was made with another model: static, not all-MiniLM-L6-v2" in line
    assert "(leave out --model, or make it anew with: semsearch index --rebuild --model all-MiniLM-L6-v2" in line


@pytest.mark.parametrize("columns", ["id integer", "product text, format integer", "one boolean, product integer"])
def test_tables_of_somebody_else_are_left_alone(bare: str, folder: Path, columns: str) -> None:
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA semsearch")
        connection.execute(f"CREATE TABLE semsearch.state ({columns})".encode())
    for command in (["search", "x"], ["status"], ["index", folder]):
        line = refused(bare, *command)
        assert "?schema=NAME" in line or "drop the schema" in line, line
    assert ask(bare, "SELECT count(*) FROM pg_tables WHERE schemaname = 'semsearch'") == [(1,)]


def test_a_schema_that_holds_something_else_is_left_alone(bare: str, folder: Path) -> None:
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA semsearch")
        connection.execute("CREATE TABLE semsearch.orders (id integer)")
    assert "holds something else: orders (name another schema with ?schema=NAME)" in refused(bare, "index", folder)
    assert "no index at" in refused(bare, "search", "x")


def test_the_schema_of_everybody_gets_no_index(bare: str, folder: Path) -> None:
    line = refused(f"{bare}?schema=public", "index", folder, "--model", "static")
    assert "a schema of its own, which public is not (name another with ?schema=NAME" in line
    # One that is there from before goes on.
    indexed(bare, folder)
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA public RENAME TO kept")
        connection.execute("ALTER SCHEMA semsearch RENAME TO public")
    machine = Machine("alpha", f"{bare}?schema=public")
    assert machine.run("search", "emeralds").code == machine.run("index", folder, "-q").code == 0


@pytest.mark.parametrize("table", ["postings", "encode_queue", "runs"])
def test_a_missing_table_is_damage_and_there_is_a_way_out(bare: str, folder: Path, table: str) -> None:
    url = f"{bare}?schema=Our%20notes"
    machine = indexed(url, folder)
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(f'DROP TABLE "Our notes".{table}'.encode())
        for command in (
            ["search", "emeralds"], ["status"], ["verify"], ["verify", "--repair"], ["index"], ["index", "--rebuild"],
        ):  # fmt: skip
            line = refused(url, *command)
            assert f"{url}: the table {table} is missing" in line, (command, line)
            assert 'DROP SCHEMA "Our notes" CASCADE' in line
        assert json.loads(machine.run("search", "emeralds", "--json").err)["error"]["code"] == "damaged_index"
        connection.execute('DROP SCHEMA "Our notes" CASCADE')
    assert machine.run("index", folder, "--model", "static", "-q").code == 0
    assert machine.run("search", "emeralds").code == 0


# -- who may do what


@pytest.mark.slow
def test_a_role_that_may_only_read_searches_and_writes_nothing(
    server: PostgresServer, bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(bare, folder)
    database = bare.rpartition("/")[2]
    grants = ("GRANT USAGE ON SCHEMA semsearch TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA semsearch TO {}")
    reader = role(server, database, "reader", *grants)
    monkeypatch.setenv("PGPASSWORD", f"reader_{database}")
    machine = Machine("beta", reader.replace(f":reader_{database}@", "@"))
    assert machine.run("search", "emeralds", "-l", "--mode", "lexical").out.endswith("a.txt\n")
    for command in (["ask", "which colour do emeralds have"], ["status"], ["status", "--files"]):
        assert machine.run(*command).code == 0, command
    assert machine.run("why", "emeralds", "a.txt").code == 0
    for arguments in (["index", folder], ["index", "--encode-only"], ["index", folder, "--rebuild", "--prune"]):
        done = machine.run(*arguments)
        assert done.code == 2 and "permission denied" in one_line_error(done.err) and "docs/engines.md" in done.err
    assert ask(bare.replace("postgres@", f"postgres:{server.password}@"), "SELECT count(*) FROM roots") == [(1,)]
    # One that may not even look.
    stranger = role(server, database, "stranger")
    for command in (["search", "x"], ["index", folder]):
        done = Machine("beta", stranger, {"PGPASSWORD": ""}).run(*command)
        assert done.code == 2 and "permission denied for schema semsearch" in done.err


def test_a_role_that_may_write_rows_and_make_nothing_indexes(
    server: PostgresServer, bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(bare, folder)
    database = bare.rpartition("/")[2]
    grants = (
        "GRANT USAGE ON SCHEMA semsearch TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA semsearch TO {}",
    )
    user = f"writer_{database}"
    url = role(server, database, "writer", *grants).replace(f":{user}@", "@")
    monkeypatch.setenv("PGPASSWORD", user)
    write(folder, {"c.txt": "Opals shimmer.\n"})
    machine = Machine("beta", url)
    done = machine.run("index", folder, "--json")
    assert done.code == 0 and done.json["files"]["added"] == 3 and done.json["chunks"]["pending"] == 0
    from semsearch.store.postgres import maintaining

    monkeypatch.setattr(maintaining, "INDEXED_FROM", 2)
    store = open_store(url)
    with store.write(folders=[]) as writing:
        writing.maintain()  # the index of the vectors is for the owner
    store.close()
    elsewhere = url.replace(f"/{database}", f"/{database}?schema=other")
    done = Machine("beta", elsewhere).run("index", folder)
    line = one_line_error(done.err)
    assert done.code == 2 and "permission denied for database" in line and "GRANT CREATE ON DATABASE" in line


# -- passwords


@pytest.mark.slow
def test_a_password_on_the_command_line_is_warned_of_and_told_nowhere(
    server: PostgresServer, bare: str, folder: Path, tmp_path: Path
) -> None:
    database = bare.rpartition("/")[2]
    on_server(server, database, f"CREATE ROLE owner_{database} LOGIN SUPERUSER PASSWORD '{SECRET}'")
    url = server.url(database, f"owner_{database}", SECRET)
    home = {"PGPASSWORD": "", "SEMSEARCH_DEBUG": "1", "XDG_STATE_HOME": str(tmp_path / "state")}
    machine = Machine("alpha", url, home)
    done = machine.run("index", folder, "--model", "static", "--json")
    told = [done]
    assert done.code == 0 and done.err.count("PGPASSFILE") == 1
    state = tmp_path / "seen.json"
    for command in (
        ["search", "emeralds", "--json"], ["search", "emeralds", "--new-since", state], ["status"],
        ["status", "--json"], ["status", "--files"], ["ask", "which colour do emeralds have"], ["ask", "log"],
        ["ask", "log", "--json"], ["why", "emeralds", "a.txt", "--json"], ["index", "--dry-run"], ["index", "-q"],
    ):  # fmt: skip
        told.append(machine.run(*command))
        assert told[-1].code == 0, told[-1]
    broken = Machine("alpha", url.replace(f":{server.port}", ":1"), home)
    unknown = Machine("alpha", url + "?nonsense=1", home)
    for command in (["search", "x"], ["status", "--json"], ["index", folder], ["verify"], ["index", url]):
        told += [broken.run(*command), unknown.run(*command)]
        assert told[-1].code == told[-2].code == 2
    told.append(Machine("alpha", bare, {"SEMSEARCH_INDEX": url}).run("status"))
    config = subprocess.run(
        [sys.executable, "-m", "semsearch", "config"], capture_output=True, text=True,
        env={**os.environ, "SEMSEARCH_INDEX": url},
    )  # fmt: skip
    assert f"owner_{database}@" in config.stdout and SECRET not in config.stdout
    assert [one for one in told if SECRET in one.out + one.err] == []
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == [] and any("asked-" in path.name for path in tmp_path.rglob("*"))
    # And in no table.
    tables = [str(row[0]) for row in ask(bare, "SELECT tablename FROM pg_tables WHERE schemaname = 'semsearch'")]
    dumped = str([ask(bare, f"SELECT rows::text FROM {table} AS rows") for table in tables])
    assert SECRET not in dumped


@pytest.mark.slow
def test_children_do_not_get_the_password_as_an_argument(url: str, server: PostgresServer, folder: Path) -> None:
    """Nor does a run that got the URL from the environment have it in its own arguments."""
    write(folder, {f"{number}.txt": "Emeralds are green. " * 2000 for number in range(200)})
    run = Machine("alpha", url).start("index", folder, "--model", "static", "-q")
    seen: set[str] = set()
    while run.poll() is None:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_text(errors="replace").split("\0")
            except OSError:
                continue
            if "semsearch.child" in arguments:
                seen.add(" ".join(arguments))
    assert run.wait() == 0 and seen and not any(server.password in one for one in seen)


def test_passwords_come_from_files_and_the_environment(
    server: PostgresServer, bare: str, folder: Path, tmp_path: Path
) -> None:
    passwords, services = tmp_path / "pgpass", tmp_path / "services"
    passwords.write_text(f"127.0.0.1:*:*:postgres:{server.password}\n")
    passwords.chmod(0o600)
    database = bare.rpartition("/")[2]
    services.write_text(
        f"[team]\nhost=127.0.0.1\nport={server.port}\ndbname={database}\nuser=postgres\npassword={server.password}\n"
    )
    of_file = Machine("alpha", bare, {"PGPASSWORD": "", "PGPASSFILE": str(passwords)})
    assert of_file.run("index", folder, "--model", "static", "-q").code == 0
    service = {"PGPASSWORD": "", "PGSERVICEFILE": str(services)}
    for one in (
        Machine("alpha", "postgresql://?service=team", service),
        Machine("alpha", "postgresql://", {**service, "PGSERVICE": "team"}),
        Machine("alpha", f"postgresql:///{database}?host=127.0.0.1&port={server.port}&user=postgres"),
    ):
        done = one.run("search", "emeralds", "-l", "--mode", "lexical")
        assert done.out.endswith("a.txt\n") and done.err == "", one


# -- TLS


def test_parameters_of_tls_are_passed_on(server: PostgresServer, bare: str, folder: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    with TlsProxy(server.port, certificate, key) as proxy:
        there = bare.replace(f"127.0.0.1:{server.port}", f"localhost:{proxy.port}") + "?hostaddr=127.0.0.1&sslmode="
        whole = f"{there}verify-full&sslrootcert={certificate}"
        machine = indexed(whole, folder)
        assert machine.run("search", "emeralds", "-l", "--mode", "lexical").out.endswith("a.txt\n")
        assert proxy.encrypted >= 2
        for url in (
            whole.replace("@localhost", "@127.0.0.1"),  # the certificate is of another
            f"{there}verify-full&sslrootcert={tmp_path / 'none.crt'}",
            f"{there}verify-ca&sslrootcert=system".replace("verify-ca", "verify-full"),
        ):
            assert "check sslmode, sslrootcert" in refused(url, "search", "x")


# -- odd names and texts


@pytest.mark.parametrize(
    "schema", ["O'Brien", 'say "so"', "Ünïcödé Ωmega", "x" * 63, "100%s %", "{s}{v}", "a.b", "select", "back\\slash"]
)
def test_schemas_of_any_name(bare: str, folder: Path, schema: str) -> None:
    from urllib.parse import quote

    machine = Machine("alpha", f"{bare}?schema={quote(schema)}")
    assert machine.run("index", folder, "--model", "static", "-q").code == 0
    assert machine.run("search", "emeralds", "-l", "--mode", "lexical").out.endswith("a.txt\n")
    write(folder, {"c.txt": "Opals shimmer.\n"})
    (folder / "b.txt").unlink()
    assert machine.run("index", "-q", "--prune").code == 0
    assert machine.run("status", "--json").json["files"]["indexed"] == 2
    with psycopg.connect(bare) as connection:
        statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "chunks"))
        assert connection.execute(statement).fetchone() == (2,)


@pytest.mark.slow
def test_sql_and_odd_bytes_in_paths_texts_and_metadata(bare: str, tmp_path: Path) -> None:
    hostile = "'); DROP TABLE semsearch.files; -- {s} {v} %s %(x)s \\ \" $1"
    folder = tmp_path / "it's; DROP {s} %s"
    texts: dict[str, str | bytes] = {
        "a'); DELETE FROM files; --.md": f'---\ntitle: "{hostile.replace(chr(92), "").replace(chr(34), "")}"\n'
        f"tags: [\"x'y\", '{{s}}', 100%]\n---\n\n# {hostile}\n\nEmeralds {hostile} are green.\n",
        "{s}.{v} %s %%.txt": f"Rubies {hostile} are red.\n",
        "nul.txt": "Opals\0 shimmer \0 in the dark.\n" + "plain text " * 20,
        "lone.json": '{"stone": "garnet \\ud800 is dark", "nul": "a\\u0000b"}',
    }
    write(folder, texts)
    (folder / os.fsdecode(b"caf\xe9 \xff.txt")).write_text("Pearls are white.\n")
    machine = Machine("al'pha {s}", bare)
    done = machine.run("index", folder, "--model", "static", "--json")
    assert done.code == 0 and problems(bare) == [], done.err
    local = Machine("here", str(tmp_path / "index"))
    wanted = local.run("index", folder, "--model", "static", "--json").json
    assert (done.json["files"], done.json["chunks"]) == (wanted["files"], wanted["chunks"])
    for query in ("emeralds", "rubies", "opals shimmer", "garnet", "pearls", "DROP TABLE {s}", "%s %(x)s"):
        for mode in ("lexical", "dense"):
            ours, theirs = (one.run("search", query, "--json", "--mode", mode).json for one in (machine, local))
            shown = [(hit["path"], hit["text"], hit["title"], hit["metadata"]) for hit in ours["results"]]
            assert shown == [(hit["path"], hit["text"], hit["title"], hit["metadata"]) for hit in theirs["results"]]
    for filters in (["--where", "tags={s}"], ["--path", "{s}*"], ["--where", "tags='; DROP*"]):
        assert machine.run("search", "red", *filters, "-l").out == local.run("search", "red", *filters, "-l").out
    assert machine.run("index", "--json").json["files"]["unchanged"] == wanted["files"]["added"]
    assert machine.run("status", "--json").json["machines"][0]["host"] == "al'pha {s}"
    odd = Machine(os.fsdecode(b"host\xff"), bare)
    assert odd.run("index", folder, "-q").code == 0
