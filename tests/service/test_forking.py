"""Processes that search, forked by the one that runs commands: they share its model, and end with it."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from semsearch.service.forking import MAX_MESSAGE_BYTES, STARTED, ForkedProcess, Forks
from tests.support.service import Service, serving
from tests.support.waiting import wait_until

QUERY = "rotor lifted gusts"


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A runtime folder with a short path: a socket's has 107 bytes."""
    folder = tempfile.mkdtemp(prefix="run-")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def running(documents: Path, runtime: Path, tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, "-i", documents, env={"XDG_RUNTIME_DIR": str(runtime), "SEMSEARCH_SERVICE": ""}) as service:
        yield service


def commands_process(service: Service) -> psutil.Process:
    """The process that runs commands: it was forked, so its command line is that of the service."""
    (found,) = [one for one in psutil.Process(service.process.pid).children() if "serve" in one.cmdline()]
    return found


def searching(service: Service) -> list[int]:
    """The processes that were forked, and have something to do or had until now."""
    return [one.pid for one in commands_process(service).children() if one.status() != psutil.STATUS_ZOMBIE]


def found(service: Service) -> list[str]:
    reply = service.get("/search", query=QUERY)
    assert reply.status == 200, reply.body
    return [hit["path"] for hit in reply.json["results"]]


def test_they_share_the_model_that_one_of_them_opened(running: Service) -> None:
    assert found(running)[0] == "notes/rotor.md"

    def mapped(pid: int) -> bool:
        return "/static-" in Path(f"/proc/{pid}/maps").read_text()

    # One that opened it for itself is followed by one that has it from its parent, and stays.
    parent = commands_process(running).pid
    wait_until(lambda: found(running) and mapped(parent))
    wait_until(lambda: found(running) and len(searching(running)) >= 1)
    before = set(searching(running))
    for _ in range(10):
        found(running)
    assert before <= set(searching(running))


def test_one_that_is_killed_is_replaced(running: Service) -> None:
    first = found(running)
    for pid in searching(running):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: found_or_none(running) == first)
    assert searching(running)


@pytest.mark.parametrize("left", range(4))
def test_one_is_started_with_whatever_files_are_left_to_the_process_that_forks(running: Service, left: int) -> None:
    first = found(running)
    parent = commands_process(running)
    for pid in searching(running):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not parent.children())  # nor what is heard of them
    _, most = resource.prlimit(parent.pid, resource.RLIMIT_NOFILE)
    used = {int(one) for one in os.listdir(f"/proc/{parent.pid}/fd")}
    free = [number for number in range(len(used) + left + 1) if number not in used]
    resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (free[left], most))
    assert found(running) == first


def test_where_the_process_that_forks_is_killed_others_are_started(running: Service, runtime: Path) -> None:
    first = found(running)
    forked = searching(running)
    parent = commands_process(running)
    parent.kill()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in forked), running.process)
    wait_until(lambda: found_or_none(running) == first)
    assert found(running) == first
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(runtime / "semsearch" / "commands.sock"))
    assert running.end() == 0


def test_a_search_goes_on_while_the_service_ends_and_leaves_no_process(running: Service) -> None:
    found(running)
    everyone = psutil.Process(running.process.pid).children(recursive=True)
    assert len(everyone) >= 2
    assert running.end() == 0
    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in everyone))


def test_a_service_that_runs_no_commands_starts_processes_of_its_own(documents: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "-i", documents, env={"SEMSEARCH_SERVICE": "0"}) as service:
        assert found(service)[0] == "notes/rotor.md"
        (process,) = [
            one for one in psutil.Process(service.process.pid).children()
            if "semsearch.service.search_process" in one.cmdline()
        ][:1]  # fmt: skip
        assert process.is_running()


@pytest.mark.slow
def test_a_service_ends_where_the_process_that_forks_hangs(running: Service) -> None:
    found(running)
    everyone = psutil.Process(running.process.pid).children(recursive=True)
    os.kill(commands_process(running).pid, signal.SIGSTOP)
    assert running.end() == 0
    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in everyone))


def test_no_more_models_are_to_be_shared_than_are_kept_open() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    forks = Forks(ours)
    odd = ("/cache/\udcff", "a\nname")
    forks.add([("/cache/a", "a"), ("/cache/b", "b")])
    forks.add([odd, ("/cache/a", "a")])
    with ours, theirs, socket.socket() as connection, ThreadPoolExecutor(1) as thread:
        starting = thread.submit(forks.start, connection)
        message, descriptors, _, _ = socket.recv_fds(theirs, MAX_MESSAGE_BYTES, 2)
        os.write(descriptors[1], STARTED)
        for one in descriptors:
            os.close(one)
        assert starting.result().wait() == -signal.SIGKILL, "that ended without a status"
    assert [tuple(one) for one in json.loads(message)] == [("/cache/b", "b"), odd]
    assert len(forks.models) == 3, "a process that opens the first one is not ended for it again"


def test_names_that_no_message_can_hold_share_nothing() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    forks = Forks(ours)
    forks.add([("/cache/a", "a" * MAX_MESSAGE_BYTES)])
    with ours, theirs, socket.socket() as connection, pytest.raises(OSError, match="too long"):
        forks.start(connection)


def test_one_whose_killer_hangs_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    process = ForkedProcess(ours)
    with theirs:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert theirs.recv(1) == b"", "whoever forked it hears that it is to be killed"


def found_or_none(service: Service) -> list[str] | None:
    """None where the process that searched has ended meanwhile, which is told."""
    reply = service.get("/search", query=QUERY)
    if reply.status != 200:
        assert "ended unexpectedly (signal 9)" in reply.json["error"]["message"]
        return None
    return [hit["path"] for hit in reply.json["results"]]
