"""The commands on an index that several machines share, in PostgreSQL or copied to a folder: whose a file is."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.support.commands import Command, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, ended
from tests.support.postgres_server import PostgresServer
from tests.support.schemas import HIT, PLACE, SEARCH, TEXT, record
from tests.support.waiting import wait_until

# The hits of an index of several machines have one field more.
ON_MACHINES = record(
    **{
        **HIT["properties"],
        "host": TEXT,
        "copies": {"type": "array", "items": record(**PLACE["properties"], host=TEXT)},
    }
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture
def url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database; the password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    return server.url(server.new_database()).replace(f":{server.password}@", "@")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that all machines have at the same path."""
    write(
        tmp_path / "wiki",
        {
            "herons.md": "# Herons\n\nHerons nest in the reeds of the estuary, and eat frogs there.\n",
            "boats.md": "# Boats\n\nThe painter of boats lives near the harbour, behind the church.\n",
        },
    )
    return tmp_path / "wiki"


@pytest.fixture
def machines(url: str, folder: Path, tmp_path: Path) -> tuple[Machine, Machine, Machine]:
    """Two that have indexed the folder, each with a state of its own, and one that has none."""
    found = tuple(
        Machine(name, url, {"XDG_STATE_HOME": str(tmp_path / f"state-{name}")}) for name in ("alpha", "beta", "gamma")
    )
    for machine in found[:2]:
        assert machine.run("index", folder, "--model", "static", "-q").code == 0
    return found


def hits(machine: Machine, *flags: object) -> list[tuple[str, str]]:
    """(host, file) of the passages about herons, in order of the host."""
    found = machine.run("search", "herons nest in the reeds", "--json", "--no-fold", *flags).json["results"]
    for hit in found:
        jsonschema.validate(hit, ON_MACHINES)
    return sorted((hit["host"], hit["file"]) for hit in found if hit["path"].endswith("herons.md"))


def test_hits_say_on_which_machine_their_file_is(machines: tuple[Machine, Machine, Machine], folder: Path) -> None:
    alpha, beta, gamma = machines
    file = f"{folder}/herons.md"
    # What is here can be opened; of others the machine is part of the name.
    assert hits(alpha) == [("alpha", file), ("beta", f"//beta{file}")]
    assert hits(beta) == [("alpha", f"//alpha{file}"), ("beta", file)]
    assert hits(gamma) == [("alpha", f"//alpha{file}"), ("beta", f"//beta{file}")]
    (folded,) = (
        hit
        for hit in alpha.run("search", "herons nest in the reeds", "--json").json["results"]
        if hit["path"].endswith("herons.md")
    )
    assert {folded["host"], *(copy["host"] for copy in folded["copies"])} == {"alpha", "beta"}
    text = alpha.run("search", "herons nest in the reeds", "--no-fold").out
    assert re.search(r"wiki/herons\.md:\d+  \(on alpha\)", text) and re.search(
        r"wiki-2/herons\.md:\d+  \(on beta\)", text
    )
    paths = alpha.run("search", "herons nest in the reeds", "-l", "--absolute").out.splitlines()
    assert {file, f"//beta{file}"} <= set(paths)
    lines = alpha.run("search", "herons nest in the reeds", "--no-fold", "--format", "vimgrep").out
    assert f"{file}:" in lines and f"//beta{file}:" in lines


def test_answers_and_reasons_say_it_as_well(machines: tuple[Machine, Machine, Machine], folder: Path) -> None:
    alpha, beta, gamma = machines
    answer = gamma.run("ask", "Where do herons nest?", "--no-llm", "--json").json
    assert {one["host"] for one in answer["contexts"]} <= {"alpha", "beta"}
    assert all(one["host"] == answer["contexts"][one["n"] - 1]["host"] for one in answer["citations"])
    assert re.search(
        r"\[1\] wiki(-2)?/herons\.md:\d+  \(on (alpha|beta)\)", gamma.run("ask", "Where do herons nest?").out
    )
    file = folder / "herons.md"
    for machine, name, host in (
        (alpha, file, "alpha"),
        (beta, file, "beta"),
        (alpha, f"//beta{file}", "beta"),
        (alpha, "wiki-2/herons.md", "beta"),
        (gamma, f"//alpha{file}", "alpha"),
    ):
        why = machine.run("why", "herons", name, "--json", "-k", "20")
        assert why.json["passage"]["host"] == host, (machine.host, name)
    assert "herons.md:" in beta.run("why", "herons", file).out and "(on beta)" in beta.run("why", "herons", file).out
    # What another machine has not indexed only that one can explain.
    why = gamma.run("why", "herons", f"//alpha{folder}/none.md", "--json")
    assert (why.code, why.json["status"]) == (1, "missing") and "ask on the machine alpha" in why.json["reason"]
    # The example of a search by one is the own file, too.
    for name in (file, f"//beta{file}"):
        assert alpha.run("search", "--like", name, "--json").code == 0


def test_an_index_of_this_machine_alone_says_nothing_of_machines(url: str, folder: Path) -> None:
    alpha = Machine("alpha", url)
    assert alpha.run("index", folder, "--model", "static", "-q").code == 0
    done = alpha.run("search", "herons nest in the reeds", "--json")
    jsonschema.validate(done.json, SEARCH)
    assert done.json["results"][0]["file"] == f"{folder}/herons.md"
    assert " (on " not in alpha.run("search", "herons nest in the reeds").out
    why = alpha.run("why", "herons", f"{folder}/herons.md", "--json").json
    jsonschema.validate({key: value for key, value in why["passage"].items() if key != "explain"}, HIT)


def test_what_is_all_on_one_machine_is_told_of_it_on_another(url: str, folder: Path) -> None:
    assert Machine("alpha", url).run("index", folder, "--model", "static", "-q").code == 0
    gamma, file = Machine("gamma", url, {"XDG_STATE_HOME": f"{folder.parent}/state"}), f"{folder}/herons.md"
    assert hits(gamma) == [("alpha", f"//alpha{file}")]
    assert "herons.md:3  (on alpha)" in gamma.run("search", "herons nest in the reeds").out
    opened = gamma.without_index("open")
    assert opened.code == 2
    assert f"{file} is on the machine alpha (open it there; what was indexed of it: " in one_line_error(opened.err)
    show = opened.err.rpartition("indexed of it: ")[2].strip().removesuffix(")").split()
    assert "Herons nest in the reeds" in gamma.without_index(*show[1:]).out, "the command that it names does that"
    paths = gamma.run("search", "herons nest in the reeds", "-l", "--absolute").out.splitlines()
    assert f"//alpha{file}" in paths and file not in paths
    assert "indexed  herons.md  (on alpha)\n" in gamma.run("status", "--files").out
    shown = gamma.run("show", file, "--json").json
    assert (shown["host"], shown["file"], shown["change"]) == ("alpha", f"//alpha{file}", None)
    why = gamma.run("why", "herons", file, "--json").json
    assert (why["passage"]["host"], why["passage"]["file"]) == ("alpha", f"//alpha{file}")


def test_a_copy_in_a_folder_knows_what_is_another_machines(
    machines: tuple[Machine, Machine, Machine], folder: Path, tmp_path: Path
) -> None:
    alpha, _, gamma = machines
    for machine in (alpha, gamma):
        assert machine.run("copy", "-q", "--to", tmp_path / machine.host).code == 0
    own = Machine("alpha", str(tmp_path / "alpha"))
    told = own.run("status")
    assert f"folder    {folder}\n" in told.out and f"folder    beta:{folder}\n" in told.out
    assert "gone" not in told.out
    assert [one.get("host", "") for one in own.run("status", "--json").json["roots"]] == ["", "beta"]
    assert hits(own) == [("alpha", f"{folder}/herons.md"), ("beta", f"//beta{folder}/herons.md")]
    # It is brought up to date by what is here, and what is not here stays.
    (folder / "herons.md").write_text("# Herons\n\nHerons nest in the reeds of the pond now.\n")
    done = own.run("index", "--json")
    assert done.code == 0 and done.json["files"]["changed"] == 1 and done.json["files"]["removed"] == 0
    assert own.run("index", "--prune", "-q").code == 0
    assert "2 skipped" not in own.run("status").out and own.run("status", "--json").json["files"]["indexed"] == 4
    assert "gone" not in own.run("status", "--files").out
    # In the copy of a machine that has no folder of it nothing is to be compared.
    of_gamma = Machine("gamma", str(tmp_path / "gamma"))
    for flags in ((), ("--dry-run",), ("--prune",)):
        refused = of_gamma.run("index", *flags)
        assert refused.code == 2 and "gamma, has no folder in" in one_line_error(refused.err), flags
    assert "gone" not in of_gamma.run("status").out


def test_a_run_is_refused_for_what_its_own_machine_would_drop(url: str, tmp_path: Path) -> None:
    write(tmp_path / "large", dict(texts(60, 1)))
    write(tmp_path / "small", dict(texts(6, 2)))
    write(tmp_path / "other", dict(texts(6, 3)))
    large, small = Machine("large", url), Machine("small", url)
    assert large.run("index", tmp_path / "large", "--model", "static", "-q").code == 0
    assert small.run("index", tmp_path / "small", tmp_path / "other", "-q").code == 0
    for path in sorted((tmp_path / "small").iterdir())[:4]:
        path.unlink()
    # All folders of the machine: 4 of 12.
    assert small.run("index", "--dry-run", "--json").code == 0
    refused = small.run("index", tmp_path / "small")
    assert refused.code == 2 and "4 of 6 indexed files are gone" in one_line_error(refused.err)
    for path in sorted((tmp_path / "other").iterdir())[:4]:
        path.unlink()
    refused = small.run("index")
    assert refused.code == 2 and "8 of 12 indexed files are gone" in one_line_error(refused.err)
    assert large.run("index", "-q").code == 0
    assert small.run("index", "--prune", "-q").code == 0


def test_a_machine_without_a_folder_is_told_so_by_every_run(
    machines: tuple[Machine, Machine, Machine], folder: Path
) -> None:
    alpha, _, gamma = machines
    for flags in ((), ("--dry-run",), ("--prune",), ("--rebuild",), ("--verify",)):
        refused = gamma.run("index", *flags)
        assert refused.code == 2 and "gamma, has no folder in" in one_line_error(refused.err), flags
    # A folder that the database says is of this machine, and that nobody has named on it, is not looked at.
    elsewhere = Machine("alpha", alpha.url, {"XDG_STATE_HOME": str(folder.parent / "another-home")})
    for flags in ((), ("--dry-run",), ("--rebuild",)):
        refused = elsewhere.run("index", *flags)
        assert refused.code == 2 and f"semsearch index {folder} --index {alpha.url}" in one_line_error(refused.err)
    assert elsewhere.run("index", folder, "--dry-run", "-q").code == 0
    assert elsewhere.run("index", "--dry-run").code == 2, "a dry run names nothing"
    assert elsewhere.run("index", folder, "-q").code == 0
    assert elsewhere.run("index", "-q").code == 0


def test_several_indexes_are_called_by_schema_database_and_folder(
    url: str, folder: Path, tmp_path: Path, semsearch: Command
) -> None:
    other = f"{url}?schema=notes"
    for index in (url, other):
        assert semsearch("index", folder, "-i", index, "--model", "static", "-q").code == 0
    write(tmp_path / "notes", {"a.md": "# Frogs\n\nFrogs fear the herons in the reeds.\n"})
    assert semsearch("index", tmp_path / "notes", "--model", "static", "-q").code == 0
    database = url.rpartition("/")[2]
    found = semsearch("search", "herons in the reeds", "--json", "-i", url, "-i", other, "-i", tmp_path / "notes")
    assert {hit["path"].partition("/")[0] for hit in found.json["results"]} == {database, "notes", "notes-2"}
    # The same with folders of more machines in it.
    assert Machine("beta", url).run("index", folder, "-q").code == 0
    found = semsearch("search", "herons in the reeds", "--json", "-i", url, "-i", other, "--no-fold")
    assert {hit["path"].partition("/")[0] for hit in found.json["results"]} == {database, "notes"}


# -- a server that goes away -----------------------------------------------------------------------------------------


def test_watching_goes_on_by_itself_after_the_server_was_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PostgresServer() as own:
        monkeypatch.setenv("PGPASSWORD", own.password)
        url = own.url(own.new_database()).replace(f":{own.password}@", "@")
        machine = Machine("alpha", url)
        assert machine.run("index", folder, "--model", "static", "-q").code == 0
        watching = machine.start("index", "--watch")
        try:
            assert watching.stdout is not None and watching.stderr is not None
            assert "up to date" in watching.stdout.readline()
            (folder / "early.md").write_text("# Early\n\nThe ferry came too early.\n")
            assert "1 added" in watching.stdout.readline()
            own.stop()
            (folder / "late.md").write_text("# Late\n\nThe ferry came too late.\n")
            line = watching.stderr.readline()
            assert "(check that the server runs" in line and "tried again until it works" in line
            own.start()
            # Nothing changes any more.
            assert "1 added" in watching.stdout.readline()
        finally:
            watching.send_signal(signal.SIGINT)
            err = ended(watching).err
        assert err.count("tried again") <= 1, "it is said once"
        assert "late.md" in machine.run("search", "the ferry", "-l").out


@pytest.mark.parametrize("quiet", [False, True])
def test_a_run_says_that_it_waits_for_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    write(tmp_path / "docs", dict(texts(60, 1)))
    with PostgresServer() as own:
        monkeypatch.setenv("PGPASSWORD", own.password)
        url = own.url(own.new_database()).replace(f":{own.password}@", "@")
        reached = tmp_path / "reached"
        points = ("tests.support.statement_points", "150", str(reached))
        flags = ["-q"] if quiet else []
        run = Machine("alpha", url).start("index", tmp_path / "docs", "--model", "static", *flags, module=points)
        wait_until(reached.exists, run)
        own.stop(signal.SIGQUIT)
        reached.unlink()
        if quiet:
            own.start()
        else:
            assert run.stderr is not None
            line = run.stderr.readline()
            assert line.startswith(f"semsearch: {url}: the connection to the server is lost; waiting for it, up to 120")
            own.start()
        done = ended(run)
        assert done.code == 0
        assert done.err == ""


def test_a_lost_server_is_one_line_in_the_middle_of_a_copy(url: str, server: PostgresServer, tmp_path: Path) -> None:
    """psycopg says on stderr, too, that it could not end the COPY that failed."""
    write(tmp_path / "docs", dict(texts(60, 1)))
    code = (
        "import sys, psycopg\n"
        "from semsearch.store.postgres.address import Address\n"
        "from semsearch.store.postgres.connection import Connection\n"
        "connection = Connection(Address.parse(sys.argv[1]))\n"
        "connection.once('CREATE SCHEMA {s}; CREATE TABLE {s}.t (n int)')\n"
        "def rows():\n"
        "    for number in range(5_000_000):\n"
        "        if number == 10:\n"
        "            pid = connection.raw.info.backend_pid\n"
        "            with psycopg.connect(sys.argv[1], autocommit=True) as other:\n"
        "                other.execute('SELECT pg_terminate_backend(%s, 10000)', (pid,))\n"
        "        yield (number,)\n"
        "try:\n"
        "    connection.copy('t', [('n', 'int4')], rows())\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.stdout == "ConnectionLostError\n"
    assert done.stderr == ""


# -- rights ----------------------------------------------------------------------------------------------------------


def test_who_may_only_read_is_told_before_anything_is_learnt(url: str, server: PostgresServer, folder: Path) -> None:
    assert Machine("alpha", url).run("index", folder, "--model", "static", "-q").code == 0
    database = url.rpartition("/")[2]
    reader = f"reader_{database}"
    with server.superuser(database) as connection:
        for statement in (
            f"CREATE ROLE {reader} LOGIN PASSWORD 'secret'",
            f"GRANT USAGE ON SCHEMA semsearch TO {reader}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA semsearch TO {reader}",
        ):
            connection.execute(statement.encode())
    reading = Machine("gamma", url.replace("postgres@", f"{reader}@"), {"PGPASSWORD": "secret"})
    assert reading.run("search", "herons", "-l").code == 0
    for flags in ((), ("--fusion",), ("--drop",)):
        # A language model that nobody serves would be asked first.
        asked = () if "--drop" in flags else ("--llm", "none", "--base-url", "http://127.0.0.1:9/v1")
        refused = reading.run("tune", *flags, *asked)
        line = one_line_error(refused.err)
        assert refused.code == 2 and "permission denied" in line and "docs/engines.md" in line, flags
    # What changes nothing may be asked for.
    asked = reading.run("tune", "--dry-run", "--llm", "none", "--base-url", "http://127.0.0.1:9/v1")
    assert "permission denied" not in asked.err
