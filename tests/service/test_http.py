"""The service over HTTP, as a real process: what it answers, whom it refuses, and how it ends."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from semsearch.answering.llm import LlmSettings
from semsearch.indexing import IndexOptions, index_folders
from semsearch.service import guard, http, parameters
from semsearch.service.listening import is_loopback, listen, url_of
from semsearch.service.operations import Operations
from tests.cli.test_show import SHOW
from tests.support.chat_server import Handler, chat
from tests.support.children import children_with
from tests.support.commands import Command, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.schemas import COUNT, OPTIONAL_COUNT, SEARCH, TEXT
from tests.support.service import Service, serving
from tests.support.waiting import CEILING_SECONDS, wait_until

NOTICES = {"notices": {"type": "array", "items": TEXT}}
PAGING = {"offset": COUNT, "total": COUNT, "next": OPTIONAL_COUNT}


def extended(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`schema` of the command line with the members that the service adds."""
    return {**schema, "properties": {**schema["properties"], **more}, "required": [*schema["required"], *more]}


def raw(service: Service, data: bytes) -> bytes:
    """What comes back for these bytes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", service.port), CEILING_SECONDS) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


# -- answers


def test_search_by_get_and_by_post(service: Service) -> None:
    got = service.get("/search", query="gusts that lift the rotor", k=2, type=["md", "pdf"])
    assert got.status == 200 and got.headers["content-type"] == "application/json"
    jsonschema.validate(got.json, extended(SEARCH, NOTICES))
    assert got.json["results"][0]["path"] == "notes/rotor.md"
    posted = service.post("/search", {"query": "gusts that lift the rotor", "k": 2, "type": ["md", "pdf"]})
    same = [{**one.json, "seconds": 0} for one in (got, posted)]
    assert same[0] == same[1]


def test_what_the_command_line_prints(service: Service, semsearch: Command, documents: Path) -> None:
    printed = semsearch("search", "ferry", "-i", documents, "--json", "-k", "3").json
    served = service.get("/search", query="ferry", k=3).json
    served.pop("notices")
    assert {**served, "seconds": 0} == {**printed, "seconds": 0}
    printed = semsearch("show", "notes/rotor.md:3-5", "-i", documents, "--json").json
    served = service.get("/passage", path="notes/rotor.md", lines="3-5").json
    assert {key: served[key] for key in printed} == printed


def test_ask_passage_files_and_status(service: Service) -> None:
    answer = service.get("/ask", question="when must the rotor not be lifted").json
    assert answer["schema"] == "semsearch.ask/1" and answer["answered"] and answer["llm"] is None
    assert answer["citations"][0]["path"] == "notes/rotor.md" and answer["notices"] == []
    shown = service.get("/passage", path="tides.pdf", page="2").json
    jsonschema.validate(shown, extended(SHOW, PAGING))
    assert shown["lines"][0]["page"] == 2
    listed = service.get("/files", path="log/*", limit=4, offset=2).json
    assert listed["schema"] == "semsearch.files/1" and listed["total"] == 30 and listed["next"] == 6
    status = service.get("/status").json
    assert status["schema"] == "semsearch.service/1" and status["indexes"][0]["schema"] == "semsearch.status/1"
    assert service.get("/health").json == {"status": "ok"}
    assert service.get("/openapi.json").json["openapi"].startswith("3.1")


def test_nothing_is_found_is_no_error(service: Service) -> None:
    reply = service.get("/search", query="quantum chromodynamics lagrangian")
    assert reply.status == 200 and reply.json["results"] == [] and "nothing here answers" in reply.json["notices"][0]


def test_headers_keep_browsers_from_harm(service: Service) -> None:
    for path in ("/health", "/search", "/nothing"):
        headers = service.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert not [name for name in headers if name.startswith("access-control")] and "server" not in headers
    page = service.get("/").headers
    assert "script-src 'self'" in page["content-security-policy"] and "unsafe" not in page["content-security-policy"]


# -- what makes no sense


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/search", 400, "usage"),
        ("/search?query=", 400, "usage"),
        ("/search?query=x&k=999", 400, "usage"),
        ("/search?query=x&what=1", 400, "usage"),
        ("/search?query=%ff", 200, ""),
        ("/search?" + "&".join(["type=md"] * 200), 400, "usage"),
        ("/search?query=x&type=nonsense", 400, "usage"),
        ("/search?query=x&where=nonsense", 400, "usage"),
        ("/search?query=" + "x" * 9_000, 400, "usage"),
        ("/ask?question=x&llm=1", 400, "usage"),
        ("/passage?path=../../etc/passwd", 404, "unknown_file"),
        ("/passage?path=/etc/passwd", 404, "unknown_file"),
        ("/passage?path=notes/rotor.md&lines=9000", 400, "usage"),
        ("/passage?path=%00", 404, "unknown_file"),
        ("/nothing", 404, "not_found"),
        ("/page/../../../etc/passwd", 404, "not_found"),
        ("/static/page.js", 404, "not_found"),
    ],
)
def test_requests_that_make_no_sense(service: Service, path: str, status: int, code: str) -> None:
    reply = service.get(path)
    assert reply.status == status and (not code or reply.code == code)
    if code == "usage":
        assert reply.json["error"]["hint"]


def test_bodies_that_make_no_sense(service: Service) -> None:
    as_json = {"content_type": "application/json"}
    for body in (b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 60_000, b'{"query": NaN}', b'{"query": "x", "k": 1e999}'):
        reply = service.request("POST", "/search", body, **as_json)
        assert (reply.status, reply.code) == (400, "usage"), body[:20]
    for headers in ({}, {"content_type": "text/plain"}, {"content_type": "application/x-www-form-urlencoded"}):
        assert service.request("POST", "/search", b'{"query": "x"}', **headers).code == "usage"
    assert service.request("POST", "/search?k=1", b'{"query": "x"}', **as_json).code == "usage"
    assert service.request("PUT", "/search", b"{}", **as_json).status == 405
    assert service.request("DELETE", "/", None).code == "wrong_method"
    refused = service.request("OPTIONS", "/search", None)
    assert refused.status == 405 and "POST" in refused.headers["allow"]


def test_too_much_is_not_read(service: Service) -> None:
    large = service.request("POST", "/search", b" " * 70_000, content_type="application/json")
    assert (large.status, large.code) == (413, "too_large")
    declared = raw(
        service,
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    )
    assert declared.startswith(b"HTTP/1.1 4")
    chunked = b"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in raw(service, chunked + (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 5)
    assert raw(service, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n").startswith(b"HTTP/1.1 400")
    assert raw(service, b"\x16\x03\x01 no HTTP \r\n\r\n").startswith(b"HTTP/1.1 400")
    assert service.get("/health").status == 200


@pytest.mark.slow
def test_a_client_that_is_slow_is_let_go(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), CEILING_SECONDS) as head:
        head.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        with socket.create_connection(("127.0.0.1", service.port), CEILING_SECONDS) as body:
            body.sendall(
                b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            assert head.recv(100) == b"", "closed"
            assert body.recv(100).startswith(b"HTTP/1.1 408")


# -- whom it answers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::2]", "[::1"]
)
def test_another_host_is_refused(service: Service, host: str) -> None:
    for path in ("/", "/search?query=x", "/mcp"):
        reply = service.request("GET", path, None, host=host)
        assert (reply.status, reply.code) == (421, "wrong_host")


def test_its_own_names_are_answered(service: Service) -> None:
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:7391"):
        assert service.request("GET", "/health", None, host=host).status == 200
    none = raw(service, b"GET /health HTTP/1.0\r\n\r\n")
    assert b" 421 " in none
    assert b" 400 " in raw(service, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n")


def test_pages_of_other_sites_are_refused(service: Service) -> None:
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"},
    ):
        for path in ("/search?query=x", "/mcp", "/health"):
            assert service.get(path, headers).code == "wrong_origin", headers
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert service.get("/", link).status == 200 and service.get("/search?query=x", link).status == 403
    two = "Host: localhost\r\nOrigin: http://evil\r\nOrigin: http://localhost\r\nConnection: close\r\n\r\n"
    assert b" 421 " in raw(service, f"GET /search?query=x HTTP/1.1\r\n{two}".encode())
    own = {"origin": service.url, "sec_fetch_site": "same-origin"}
    assert service.get("/search?query=x", own).status == 200


TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def locked(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    arguments = ("-i", documents, "--host", "0.0.0.0", "--allow-host", "nas.local")
    with serving(tmp_path_factory.mktemp("locked"), *arguments, env={guard.TOKEN_VARIABLE: TOKEN}) as running:
        yield running


def test_a_token_is_asked_for(locked: Service) -> None:
    for path in ("/search?query=rotor", "/status", "/mcp", "/openapi.json", "/nothing"):
        for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer \xe4\xf6\xfc"):
            reply = locked.get(path, {"authorization": wrong} if wrong else {})
            assert (reply.status, reply.code) == (401, "unauthorized")
            assert reply.headers["www-authenticate"].startswith("Bearer")
    assert locked.get("/search?query=rotor", {"authorization": f"Bearer {TOKEN}"}).json["results"]
    assert locked.get("/search?query=rotor", {"authorization": f"bearer {TOKEN}"}).status == 200
    assert locked.get(f"/search?query=rotor&token={TOKEN}").status == 401
    for path in ("/", "/page.js", "/health"):
        assert locked.get(path).status == 200, "these tell nothing of the documents"
    assert locked.request("GET", "/health", None, host="nas.local").status == 200
    assert locked.request("GET", "/health", None, host="0.0.0.0").status == 421
    assert TOKEN not in locked.log.read_text()


def test_off_the_loopback_a_token_is_required(semsearch: Command, documents: Path) -> None:
    for token, said in (("", "no token is set"), ("short", "has only 5 characters"), ("a b" * 9, "no header can")):
        done = semsearch(
            "serve", "-i", documents, "--host", "0.0.0.0", "--port", "0", env={guard.TOKEN_VARIABLE: token}
        )
        assert done.code == 2 and said in one_line_error(done.err)


# -- beginnings and ends


def test_a_port_that_is_taken_is_one_line(semsearch: Command, service: Service, documents: Path) -> None:
    done = semsearch("serve", "-i", documents, "--port", service.port)
    assert done.code == 2 and "in use" in one_line_error(done.err) and "--port" in done.err
    done = semsearch("serve", "-i", documents, "--host", "no.such.host.invalid")
    assert done.code == 2 and "--host no.such.host.invalid" in one_line_error(done.err)
    assert semsearch("serve", "-i", documents, "--port", "70000").code == 2
    assert semsearch("serve", "-i", documents, "--idle", "0").code == 2


def test_without_an_index_it_does_not_begin(semsearch: Command, tmp_path: Path) -> None:
    done = semsearch("serve", "-i", tmp_path, "--port", "0")
    assert done.code == 2 and "no index" in one_line_error(done.err)


def test_without_the_extra_one_line_names_it(semsearch: Command, documents: Path, tmp_path: Path) -> None:
    hidden = (
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name in ('mcp', 'starlette', 'uvicorn') else find(name, *more)\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hidden)
    for command in (("serve", "--port", "0"), ("mcp",)):
        done = semsearch(*command, "-i", documents, env={"PYTHONPATH": f"{tmp_path}:{PROJECT}"})
        assert done.code == 2 and "pip install 'semsearch[serve]'" in one_line_error(done.err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(documents: Path, tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path, "-i", documents) as running:
        with socket.create_connection(("127.0.0.1", running.port), CEILING_SECONDS) as idle:
            assert running.get("/health").status == 200
            running.process.send_signal(number)
            assert running.process.wait(CEILING_SECONDS) == 0
            assert idle.recv(1) == b""
        assert len(running.log.read_text().splitlines()) == 1


_PASSES = """
import os, socket, sys
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "semsearch", "serve", "-i", sys.argv[1], "--port", "1"])
"""


def test_a_socket_that_systemd_passes_is_taken(documents: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-c", _PASSES, str(documents)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        # The socket listens already: what is asked meanwhile is answered when the service is there.
        reply = Service(process, port, documents).get("/search", query="rotor", k=1)
        assert reply.json["results"]
        process.terminate()
        assert process.wait(CEILING_SECONDS) == 0


def test_an_index_that_goes_and_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "The heron stands in the reeds."})
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    with serving(tmp_path / "run", "-i", tmp_path / "docs") as running:
        assert running.get("/search?query=heron").json["results"]
        shutil.rmtree(tmp_path / "docs" / ".semsearch")
        gone = running.get("/search?query=heron")
        assert (gone.status, gone.code) == (503, "no_index")
        assert running.get("/status").code == "no_index" and running.get("/health").status == 200
        write(tmp_path / "docs", {"b.txt": "A kingfisher dives."})
        index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
        assert len(running.get("/search?query=heron+kingfisher&min_score=0").json["results"]) == 2


@pytest.mark.slow
def test_watch_keeps_the_index_up_to_date_and_ends_with_the_service(tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "The heron stands in the reeds."})
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    with serving(tmp_path / "run", "-i", tmp_path / "docs", "--watch") as running:
        children = partial(children_with, "--watch", running.process.pid)
        wait_until(children)
        write(tmp_path / "docs", {"b.txt": "A kingfisher dives."})
        wait_until(lambda: running.get("/search?query=kingfisher&mode=lexical").json["results"])
        first = children()[0]
        first.kill()
        wait_until(lambda: any(child.pid != first.pid for child in children()))
        assert "goes on in 1 seconds" in running.log.read_text()
        write(tmp_path / "docs", {"c.txt": "An osprey circles."})
        wait_until(lambda: running.get("/search?query=osprey&mode=lexical").json["results"])
        left = children()
        assert running.end() == 0
        for child in left:
            child.wait(CEILING_SECONDS)
        assert "interrupted" not in running.log.read_text()


def test_many_clients_at_once(service: Service) -> None:
    def ask(number: int) -> int:
        return service.get("/search", query=f"ferry {number}", k=3).status

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(100))) == {200}


def test_a_client_that_is_gone_leaves_nothing(service: Service) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port), CEILING_SECONDS) as connection:
            connection.sendall(b"GET /search?query=rotor HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert service.get("/search", query="rotor").status == 200


# -- a language model


def events(body: bytes) -> list[tuple[str, Any]]:
    """(event, data) of a stream of server-sent events."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_model_answers_as_a_stream(documents: Path, tmp_path: Path) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        handler.say(body, "Not while gusts exceed 11 metres per second [1].")

    with chat(answer) as model, serving(tmp_path, "-i", documents, "--llm", "tiny", "--base-url", model.url) as running:
        assert running.get("/status").json["llm"] == "tiny"
        reply = running.get("/ask", question="when must the rotor not be lifted", llm=1)
        assert reply.headers["content-type"].startswith("text/event-stream")
        told = events(reply.body)
        assert "".join(data["text"] for event, data in told if event == "text").startswith("Not while gusts")
        assert told[-1][0] == "answer" and told[-1][1]["llm"] == "tiny" and told[-1][1]["answered"]
        assert len(model.requests) == 1
        assert running.get("/ask", question="when must the rotor not be lifted").json["llm"] is None
        assert len(model.requests) == 1, "it is asked only when that is asked for"


def test_where_the_model_fails_the_documents_are_quoted(documents: Path, tmp_path: Path) -> None:
    def refuse(handler: Handler, body: dict[str, Any]) -> None:
        handler.reply(401, {"error": {"message": "no such key"}})

    with chat(refuse) as model, serving(tmp_path, "-i", documents, "--llm", "tiny", "--base-url", model.url) as running:
        told = events(running.get("/ask", question="when must the rotor not be lifted", llm=1).body)
    assert [event for event, _ in told] == ["error", "answer"]
    assert told[0][1]["schema"] == "semsearch.error/1"
    assert told[1][1]["llm"] is None and told[1][1]["answered"]


@pytest.mark.parametrize("speaks", [True, False])
def test_a_client_that_goes_away_ends_the_answer(documents: Path, tmp_path: Path, speaks: bool) -> None:
    """Whether the model is in the middle of its answer, or silent."""
    asked, ended = threading.Event(), threading.Event()

    def never_end(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        asked.set()
        if speaks:
            try:
                while True:
                    handler.piece({"choices": [{"index": 0, "delta": {"content": "word "}}]})
                    if ended.wait(0.01):
                        return
            except OSError:
                ended.set()
        else:
            handler.connection.settimeout(CEILING_SECONDS)
            if handler.connection.recv(1) == b"":
                ended.set()

    with (
        chat(never_end) as model,
        serving(tmp_path, "-i", documents, "--llm", "tiny", "--base-url", model.url) as running,
    ):
        with socket.create_connection(("127.0.0.1", running.port), CEILING_SECONDS) as client:
            client.sendall(b"GET /ask?llm=1&question=rotor+lifted+gusts HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert asked.wait(CEILING_SECONDS)
        assert ended.wait(CEILING_SECONDS)
        assert running.get("/search?query=rotor").status == 200
        assert running.end() == 0


def test_an_answer_that_comes_after_the_end_is_left(documents: Path, caplog: pytest.LogCaptureFixture) -> None:
    answered, told = threading.Event(), threading.Event()
    futures = []

    def late(handler: Handler, body: dict[str, Any]) -> None:
        assert answered.wait(CEILING_SECONDS)
        handler.say(body, "Not while gusts exceed 11 metres per second [1].")

    class Heard(Operations):
        def ask(self, *asked: Any, **more: Any) -> Any:
            futures.append(super().ask(*asked, **more))
            return futures[-1]

    async def begin() -> None:
        asked = parameters.ASK.checked({"question": "when must the rotor not be lifted", "llm": True})
        http._events(operations, asked)
        futures[0].add_done_callback(lambda done: told.set())  # after that of the stream

    with chat(late) as model, closing(Heard([str(documents)], model=LlmSettings("tiny", model.url))) as operations:
        asyncio.run(begin())  # its loop is closed then
        answered.set()
        assert told.wait(CEILING_SECONDS) and futures[0].result().failure is None
    assert not caplog.records


def test_ending_does_not_wait_for_a_model(documents: Path, tmp_path: Path) -> None:
    asked, done = threading.Event(), threading.Event()

    def never_end(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        asked.set()
        done.wait(CEILING_SECONDS)

    with (
        chat(never_end) as model,
        serving(tmp_path, "-i", documents, "--llm", "tiny", "--base-url", model.url) as running,
    ):
        with socket.create_connection(("127.0.0.1", running.port), CEILING_SECONDS) as client:
            client.sendall(b"GET /ask?llm=1&question=rotor+lifted+gusts HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert asked.wait(CEILING_SECONDS)
            assert running.end() == 0
        done.set()


# -- parts


def test_hosts_are_read_as_browsers_write_them() -> None:
    known = {
        "localhost:80": "localhost",
        "[::1]:80": "[::1]",
        " Nas.Local ": "nas.local",
        "": "",
        "[": "",
        "a:b:c": "a",
    }
    assert {header: guard.host_of(header) for header in known} == known


def test_addresses() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert is_loopback(listening) and url_of(listening).startswith("http://127.0.0.1:")
    with listen("0.0.0.0", 0) as listening:
        assert not is_loopback(listening)
