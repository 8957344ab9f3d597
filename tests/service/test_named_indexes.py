"""Indexes with names: every face of the service shows and takes the paths that the command line does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from semsearch.indexing import IndexOptions, index_folders
from tests.service.test_mcp_server import over_stdio, talk, text_of
from tests.support.commands import Command, one_line_error
from tests.support.folders import write
from tests.support.service import Service, serving

QUERY = "the heron waits"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose three indexes have names that are not those of their folders; `xdg` holds the configuration."""
    place = tmp_path_factory.mktemp("named")
    for name in ("one", "two", "three"):
        write(place, {f"{name}/{name}.txt": f"The heron waits in the reeds, text {name}.\n"})
        index_folders([str(place / name)], None, IndexOptions(model="static"))
    return place


def configure(place: Path, **names: str) -> dict[str, str]:
    """Writes the names; the environment of a command that knows them."""
    table = "".join(f"{name} = {json.dumps(str(place / where))}\n" for name, where in names.items())
    write(place, {"xdg/semsearch/config.toml": f"[indexes]\n{table}"})
    return {"XDG_CONFIG_HOME": str(place / "xdg")}


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    return configure(place, notes="one", mail="two")


@pytest.fixture
def running(place: Path, tmp_path: Path, environment: dict[str, str]) -> Iterator[Service]:
    with serving(tmp_path / "served", "-i", "notes", "-i", "mail", "--idle", "0.0001", env=environment) as service:
        yield service


def paths(service: Service) -> list[str]:
    return sorted(hit["path"] for hit in service.get("/search", query=QUERY).json["results"])


def test_http_agrees_with_the_command_line(
    running: Service, semsearch: Command, place: Path, environment: dict[str, str]
) -> None:
    told = semsearch("search", QUERY, "-i", "notes", "-i", "mail", "--json", env=environment).json
    assert paths(running) == sorted(hit["path"] for hit in told["results"]) == ["mail/two.txt", "notes/one.txt"]
    assert running.get("/passage", path="mail/two.txt:1").json["path"] == "mail/two.txt"
    listed = running.get("/files").json["files"]
    assert [file["path"] for file in listed] == ["mail/two.txt", "notes/one.txt"]
    assert running.get("/files", path="notes/**").json["total"] == 1
    of_folder = running.get("/passage", path="one/one.txt")
    assert of_folder.status == 404 and of_folder.code == "unknown_file"
    indexes = [str(place / name / ".semsearch") for name in ("one", "two")]
    assert [status["index"] for status in running.get("/status").json["indexes"]] == indexes


def test_mcp_agrees_with_the_command_line(environment: dict[str, str]) -> None:
    async def conversation(client: Client) -> None:
        found = await text_of(client, "search", query=QUERY)
        assert "notes/one.txt:1" in found and "mail/two.txt:1" in found
        assert "text two." in await text_of(client, "read_passage", path="mail/two.txt:1")
        assert "notes/one.txt" in await text_of(client, "list_files", path=["notes/**"])
        assert "no indexed file" in await text_of(client, "read_passage", is_error=True, path="two/two.txt")

    talk(over_stdio("-i", "notes", "-i", "mail", **environment), conversation)


def test_a_name_leads_nowhere_else_while_the_service_runs(running: Service, place: Path) -> None:
    before = paths(running)
    configure(place, notes="three", other="two")
    # Its threads end after milliseconds without work: what is opened next is of the same folders.
    assert [paths(running) for _ in range(5)] == [before] * 5
    assert running.get("/passage", path="notes/one.txt").json["lines"][0]["text"].endswith("text one.")
    assert running.get("/passage", path="notes/three.txt").status == 404


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("mcp",)])
def test_an_index_that_is_named_twice_is_told_at_once(
    semsearch: Command, place: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    done = semsearch(*command, "-i", "notes", "-i", place / "one", env=environment)
    assert done.code == 2 and "the same index is named twice" in one_line_error(done.err)
