"""The MCP server, asked by the SDK's own client: over stdio as a real process, over HTTP as a real server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from semsearch.service import mcp_server
from semsearch.service.token_estimate import tokens_in
from tests.service.conftest import INJECTION
from tests.support.chat_server import Handler, chat
from tests.support.folders import PROJECT
from tests.support.service import Service
from tests.support.waiting import CEILING_SECONDS

# As semsearch estimates them, which needs no vocabulary; tests/real/test_token_counts.py counts those of a real one.
_MOST_TOKENS = 2_000
_TOOLS = ["ask", "list_files", "read_passage", "search", "status"]


def talk(target: Any, conversation: Callable[[Client], Any]) -> Any:
    """What `conversation` returns with a client of `target`: a URL, or a command."""

    async def held() -> Any:
        server = target if isinstance(target, str) else stdio_client(target)
        async with Client(server) as client:
            return await conversation(client)

    return anyio.run(held)


def over_stdio(*arguments: object, **environment: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "semsearch", "mcp", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
    )


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, documents: Path) -> Any:
    if request.param == "stdio":
        return over_stdio("-i", documents)
    service: Service = request.getfixturevalue("service")
    return f"{service.url}/mcp"


async def text_of(client: Client, tool: str, is_error: bool = False, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert bool(result.is_error) == is_error, result.content
    (content,) = result.content
    assert tokens_in(content.text) <= _MOST_TOKENS  # type: ignore[union-attr]
    return str(content.text)  # type: ignore[union-attr]


def test_search_then_read_answers_a_question(target: Any, documents: Path) -> None:
    async def conversation(client: Client) -> None:
        assert str(documents) in (client.instructions or "") and "35 files" in (client.instructions or "")
        found = await text_of(client, "search", query="how strong may gusts be to lift the rotor")
        assert "1. notes/rotor.md:3 (score" in found
        read = await text_of(client, "read_passage", path="notes/rotor.md:3")
        assert "> 3: The rotor must not be lifted while gusts exceed 11 metres per second." in read
        assert "> 13: Line 13 tells of the crane." in read and "> 14:" not in read, "ten lines around it"
        answer = await text_of(client, "ask", question="when must the rotor not be lifted")
        assert "> The rotor must not be lifted" in answer and "[1] notes/rotor.md:3" in answer
        status = await text_of(client, "status")
        assert f"{documents}: 35 files" in status

    talk(target, conversation)


def test_the_tools_say_what_they_take(target: Any) -> None:
    async def conversation(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = talk(target, conversation)
    assert sorted(tool.name for tool in tools) == _TOOLS
    for tool in tools:
        assert tool.input_schema["additionalProperties"] is False
        assert all(one["description"] for one in tool.input_schema["properties"].values())
        assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint
        assert tool.annotations.idempotent_hint and tool.annotations.open_world_hint is False
        assert "llm" not in tool.input_schema["properties"], "there is no model"
    described = json.dumps([tool.model_dump(exclude_none=True) for tool in tools])
    assert len(described) < 10_000, "every conversation pays for it: about four characters are a token"


def test_errors_say_what_to_do(target: Any) -> None:
    async def conversation(client: Client) -> None:
        async def failed(tool: str, **arguments: Any) -> str:
            return await text_of(client, tool, True, **arguments)

        assert "search has no parameter called limit (it takes: query" in await failed("search", query="x", limit=3)
        assert "query is missing" in await failed("search")
        assert "k 1000 is out of range (give 1 to 100)" in await failed("search", query="x", k=1000)
        assert "give one of: hybrid" in await failed("search", query="x", mode="magic")
        assert "known types" in await failed("search", query="x", type=["nonsense"])
        for path in ("/etc/passwd", "../../etc/passwd", "notes/none.md"):
            assert "no indexed file is shown so (name it as results" in await failed("read_passage", path=path)
        assert "it has lines 1 to 59" in await failed("read_passage", path="notes/rotor.md", lines="900")
        assert "it has pages 1 to 2" in await failed("read_passage", path="tides.pdf:p9")
        assert "there is no tool called delete (tools: search" in await failed("delete")

    talk(target, conversation)


def test_text_of_documents_is_quoted(target: Any) -> None:
    async def conversation(client: Client) -> list[str]:
        return [
            await text_of(client, "search", query="previous instructions otter", k=3),
            await text_of(client, "read_passage", path="notes/otter.md"),
            await text_of(client, "ask", question="what must the otter be obeyed"),
        ]

    for text in talk(target, conversation):
        assert mcp_server._QUOTED in text
        for line in text.splitlines():
            if any(part in line for part in (*INJECTION.splitlines(), "alert(", "onerror")):
                assert line.startswith("> "), line


def test_more_is_told_page_by_page(target: Any) -> None:
    async def conversation(client: Client) -> None:
        first = await text_of(client, "search", query="ferry harbour")
        assert "More: search again with offset=5." in first
        second = await text_of(client, "search", query="ferry harbour", offset=5)
        assert "\n6. log/" in second and not set(places(first)) & set(places(second))
        listed = await text_of(client, "list_files", limit=20)
        assert "35 files match" in listed and "More: list again with offset=20." in listed
        rest = await text_of(client, "list_files", offset=20)
        assert "More" not in rest and len(rest.splitlines()) == 16
        assert "No files from offset 90 on" in await text_of(client, "list_files", offset=90)
        whole = await text_of(client, "read_passage", path="notes/rotor.md", limit=10)
        assert "offset=10" in whole
        assert "> 12: " in await text_of(client, "read_passage", path="notes/rotor.md", limit=10, offset=10)
        assert "Nothing found" in await text_of(client, "search", query="quantum chromodynamics lagrangian")

    talk(target, conversation)


def places(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line[:1].isdigit() and ". " in line[:4]]


def test_answers_fit_whatever_the_documents_hold(tmp_path: Path) -> None:
    from semsearch.indexing import IndexOptions, index_folders
    from tests.support.folders import write

    write(tmp_path, {
        "wide.txt": " ".join(f"whale {number}" for number in range(20_000)) + "\n",
        "long.txt": "\n".join(f"The whale swims {number} miles" for number in range(5_000)),
        "海.txt": "".join(f"鯨は{number}里の海を泳ぐ。" for number in range(3_000)),
        **{f"{'deep/' * 20}{number}{'n' * 150}.txt": "whale " * 300 for number in range(60)},
    })  # fmt: skip
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))

    async def conversation(client: Client) -> None:
        for arguments in ({"query": "whale"}, {"query": "鯨"}, {"query": "whale", "k": 100, "context": 20}):
            assert len((await text_of(client, "search", **arguments)).splitlines()) > 2
        for path in ("wide.txt", "long.txt", "海.txt"):
            text = await text_of(client, "read_passage", path=path)
            assert "More: read on" in text
        for path in ("wide.txt", "海.txt"):
            told, pages = "", 0
            offset: str | None = "0"
            while offset is not None:
                text = await text_of(client, "read_passage", path=path, offset=int(offset))
                assert "[cut]" not in text
                told += "".join(line.partition(": ")[2] for line in text.splitlines() if line.startswith("> "))
                offset = text.partition("offset=")[2].partition(".")[0] or None
                pages += 1
            words = (tmp_path / path).read_text()
            assert "".join(told.split()) == "".join(words.split()), "all of a long line can be read"
            assert pages > 5
        listed = await text_of(client, "list_files")
        assert "More: list again with offset=" in listed
        await text_of(client, "ask", question="how far does the whale swim")

    talk(over_stdio("-i", tmp_path), conversation)


def test_blank_lines_are_told_from_lines_that_are_left_out(tmp_path: Path) -> None:
    from semsearch.indexing import IndexOptions, index_folders
    from tests.support.folders import write
    from tests.support.office import workbook

    long = "The otter swims. " * 60
    rows = [["Name", "Feet"], ["Mira", "30"], ["Anna", "20"]]
    write(
        tmp_path, {"a.md": f"# Otters\n\n{long}\n\n# Boats\n\n{long}", "b.xlsx": workbook({"Old": rows, "New": rows})}
    )
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))

    async def conversation(client: Client) -> None:
        text = await text_of(client, "read_passage", path="a.md")
        # Between two passages, as within one.
        assert [line[:6].rstrip() for line in text.splitlines()[1:]] == [
            "> 1: #", "> 2:", "> 3: T", ">", "> 5: #", "> 6:", "> 7: T",
        ]  # fmt: skip
        row = "> 2: Name: Mira | Feet: 30"
        assert "[...]" not in await text_of(client, "read_passage", path="b.xlsx")
        some = await text_of(client, "read_passage", path="b.xlsx", lines="2", context=0)
        assert some.splitlines()[1:] == [row, "[...]", row]

    talk(over_stdio("-i", tmp_path), conversation)


def test_no_offset_is_named_that_would_be_refused() -> None:
    from semsearch.retrieval.hit import IndexCoverage, SearchResult
    from semsearch.service.mcp_server import results_text
    from semsearch.service.parameters import FILES, PASSAGE, SEARCH
    from tests.support.answer_hits import hit

    result = SearchResult(
        "q", "hybrid", IndexCoverage("/i", 9, 9, 0, 0, 0), 0.1, tuple(hit("text") for _ in range(100))
    )
    named = re.search(r"offset=(\d+)", results_text(result, 900, 100))
    assert named is not None and SEARCH.checked({"query": "q", "offset": int(named[1])})
    last = results_text(result, 1_000, 100)
    assert "offset=" not in last and "no offset reaches" in last
    assert FILES.checked({"offset": 3_000_000})["offset"] == 3_000_000
    assert PASSAGE.checked({"path": "a", "offset": 3_000_000})["offset"] == 3_000_000


def test_the_model_is_asked_where_there_is_one(documents: Path) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        handler.say(body, "Not while gusts exceed 11 metres per second [1].")

    async def conversation(client: Client) -> str:
        return await text_of(client, "ask", question="when must the rotor not be lifted", llm=True)

    with chat(answer) as model:
        text = talk(over_stdio("-i", documents, "--llm", "tiny", "--base-url", model.url), conversation)
    assert text.startswith("Written by tiny") and "> Not while gusts exceed 11" in text


def test_nothing_but_the_protocol_is_on_standard_output(documents: Path) -> None:
    import json

    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }  # fmt: skip
    lines = [json.dumps(hello), '{"jsonrpc": "2.0", "method": "notifications/initialized"}', "no JSON", ""]
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", "mcp", "-i", str(documents)], input="\n".join(lines).encode(),
        capture_output=True, timeout=240, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert told[0]["id"] == 1 and told[0]["result"]["serverInfo"]["name"] == "semsearch"
    assert b"Traceback" not in done.stderr


def test_an_agent_that_is_gone_is_no_defect(documents: Path) -> None:
    hello = (
        b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",'
        b' "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}\n'
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "semsearch", "mcp", "-i", str(documents)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.write(hello)
        process.stdin.close()
        assert process.wait(CEILING_SECONDS) == 141, "as other commands whose output nobody reads"
        assert process.stderr.read() == b""


def test_lines_cannot_leave_their_quotation() -> None:
    for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"):
        for line in "\n".join(mcp_server.quoted([f"a{end}b"])).splitlines():
            assert line.startswith("> ")
        assert len(mcp_server.one_line(f"a{end}b").splitlines()) == 1
    assert mcp_server.one_line("a\ud800\u202eb") == "a\\ud800 b"
    assert mcp_server.one_line("می\u200cخواهم") == "می\u200cخواهم"


def test_what_a_reader_does_not_see_is_left_out() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    assert mcp_server.quoted([f"a{hidden}\u202e\x1b[2Jb"]) == [f"> a{' ' * 6}[2Jb"]
