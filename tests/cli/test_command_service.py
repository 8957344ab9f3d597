"""A running service answers as the command alone does, byte for byte, and is not used where it could not."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from semsearch.cli import command_service, service_socket
from tests.support.command_service import ServiceProcess, imported
from tests.support.commands import one_line_error
from tests.support.folders import write
from tests.support.waiting import wait_until

HEAVY = {"numpy", "typer", "faiss", "sqlite3"}


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with ServiceProcess() as running:
        yield running


@pytest.fixture(scope="module")
def notes(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its index."""
    folder = tmp_path_factory.mktemp("served") / "notes"
    write(
        folder,
        {
            "boats.md": "# Boats\n\nThe harbour master paints boats in spring.\n\nA boat costs 40 euros a week.\n",
            "späte/äpfel.txt": "Die Äpfel werden im Oktober gepflückt.\n",
            "bread.txt": "Bread is baked at four in the morning.\n",
        },
    )
    assert service.run("index", folder, "-q").code == 0
    return folder


def without_times(text: str) -> str:
    """`text` without what is never twice the same: how long it took, and the numbers of links."""
    return re.sub(r'"seconds": [\d.e-]+|(?<=;)id=\d+', "", text)


# Arguments -> what stands on stdin.
COMMANDS: dict[tuple[str, ...], str] = {
    ("search", "who paints boats"): "",
    ("search", "who paints boats", "--json"): "",
    ("search", "who paints boats", "--jsonl", "--explain"): "",
    ("search", "wann pflückt man Äpfel", "-C", "2", "--color", "always"): "",
    ("search", "boats", "-l", "-0", "--absolute"): "",
    ("search", "boats", "-q"): "",
    ("search", "zebra crossing in Ulan Bator"): "",
    ("search", "", "-k", "3"): "",
    ("search", "boats", "-k", "0"): "",
    ("search", "boats", "--no-such-flag", "--json"): "",
    ("search", "--help"): "",
    ("search", "boats", "-i", "nowhere"): "",
    ("search", "--queries", "-", "--jsonl"): "boats\nbread\n",
    ("ask", "what does a boat cost"): "",
    ("ask", "what does a boat cost", "--json"): "",
    ("ask", "who was the first man on the moon"): "",
    ("ask", "log", "-n", "1"): "",
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_answers_are_the_same(service: ServiceProcess, notes: Path, arguments: tuple[str, ...]) -> None:
    stdin = COMMANDS[arguments]
    alone = service.run(*arguments, served=False, stdin=stdin, cwd=notes)
    served = service.run(*arguments, stdin=stdin, cwd=notes)
    assert (served.code, served.err) == (alone.code, alone.err)
    assert without_times(served.out) == without_times(alone.out)
    assert alone.code == 2 or alone.out or alone.err or "-q" in arguments


def test_the_client_imports_nothing_heavy(service: ServiceProcess, notes: Path) -> None:
    ours = imported(service, ["search", "boats", "-i", notes])
    assert "semsearch.cli.service_client" in ours and not HEAVY & ours
    assert {name for name in ours if name.startswith("semsearch")} <= {
        "semsearch", "semsearch.cli", "semsearch.cli.interrupts", "semsearch.cli.streams",
        "semsearch.cli.service_client", "semsearch.cli.service_socket", "semsearch.errors",
    }  # fmt: skip
    for more in ({"SEMSEARCH_SERVICE": "0"}, {"LC_TIME": "C", "HF_ENDPOINT": "http://127.0.0.1"}):
        assert imported(service, ["search", "boats", "-i", notes], **more) >= HEAVY
    assert imported(service, ["search", "boats", "-i", notes, "--no-service"]) >= HEAVY


def test_a_command_imports_nothing_that_is_not_there(notes: Path) -> None:
    # In a process of its own: what a search and an answer load that the service has not loaded before.
    code = """if True:
        import os, sys
        from semsearch.cli import command_service
        command_service._warm_up()
        before = set(sys.modules)
        from semsearch.cli.app import run
        sys.stdout = open(os.devnull, "w")
        assert run(["search", "who paints boats", "-i", sys.argv[1]]) == 0
        assert run(["ask", "what does a boat cost", "-i", sys.argv[1]]) == 0
        print(*sorted(set(sys.modules) - before), file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", code, str(notes)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stderr.split()) == set()


def test_what_a_command_gets_is_the_clients(service: ServiceProcess, notes: Path, tmp_path: Path) -> None:
    saved = tmp_path / "kept.md"
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        saved.unlink(missing_ok=True)
        before = os.umask(mask)
        try:
            assert service.run("ask", "what does a boat cost", "--save", "kept.md", "-i", notes, cwd=tmp_path).code == 0
        finally:
            os.umask(before)
        assert saved.stat().st_mode & 0o777 == mode
    code = 'ulimit -Sn 100; exec "$0" -m semsearch search boats -i "$1" -q'
    assert subprocess.run(["sh", "-c", code, sys.executable, str(notes)], env=service.environment()).returncode == 0
    shown = service.run("search", "boats", environment={"SEMSEARCH_INDEX": str(notes)}, cwd=tmp_path)
    assert shown.code == 0 and "boats.md" in shown.out
    narrow = [
        service.run("search", "--help", environment={"COLUMNS": "60"}, served=served).out for served in (True, False)
    ]
    assert narrow[0] == narrow[1] != service.run("search", "--help").out


def test_new_commits_and_other_indexes_are_seen_at_once(service: ServiceProcess, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    write(folder, {"one.txt": "Swans nest in the reeds.\n"})
    assert service.run("index", folder, "-q").code == 0
    assert "one.txt" in service.run("search", "swans", "-i", folder).out
    write(folder, {"two.txt": "A second text of swans.\n"})
    assert service.run("index", folder, "-q").code == 0
    assert "two.txt" in service.run("search", "swans", "-i", folder).out
    shutil.rmtree(folder / ".semsearch")
    gone = service.run("search", "swans", "-i", folder)
    assert gone.code == 2 and "no index" in one_line_error(gone.err)
    assert service.run("index", folder, "-q", "--model", "static").code == 0
    assert "two.txt" in service.run("search", "swans", "-i", folder).out


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)])
def test_signals_reach_the_command(service: ServiceProcess, notes: Path, sent: signal.Signals, code: int) -> None:
    client = service.start_client("search", "--queries", "-", "-i", notes)
    service.wait_for_command(client)
    client.send_signal(sent)
    assert client.wait(60) == code  # before it sees the end of its queries
    _, err = client.communicate()
    assert err == ("semsearch: interrupted\n" if sent == signal.SIGINT else "")
    service.wait_for_commands(0)


def test_both_stop_and_go_on(service: ServiceProcess, notes: Path) -> None:
    # In a group of its own, for which there is who can let it go on: else the system does not stop it.
    client = service.start_client("search", "--queries", "-", "-l", "-i", notes, process_group=0)
    service.wait_for_command(client)
    both = [psutil.Process(client.pid), *service.commands()]
    client.send_signal(signal.SIGTSTP)
    wait_until(lambda: all(one.status() == psutil.STATUS_STOPPED for one in both))
    client.send_signal(signal.SIGCONT)
    wait_until(lambda: not any(one.status() == psutil.STATUS_STOPPED for one in both))
    out, _ = client.communicate("boats\n", timeout=60)
    assert client.returncode == 0 and "boats.md" in out


def test_a_client_that_goes_away_takes_its_command_along(service: ServiceProcess, notes: Path) -> None:
    client = service.start_client("search", "--queries", "-", "--jsonl", "-i", notes)
    service.wait_for_command(client)
    (command,) = service.commands()
    client.kill()
    client.wait()
    wait_until(lambda: not command.is_running())


def test_a_reader_that_goes_away_ends_the_command(service: ServiceProcess, notes: Path) -> None:
    client = service.start_client("search", "--queries", "-", "--jsonl", "-i", notes)
    assert client.stdin is not None and client.stdout is not None
    client.stdout.close()
    client.stdin.write("boats\n" * 2000)
    client.stdin.close()
    assert client.wait(60) == 141


def test_standard_streams_that_are_closed(service: ServiceProcess, notes: Path) -> None:
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        command = f'exec "$0" -m semsearch search boats -i "$1" {closed}'
        done = [
            subprocess.run(
                ["sh", "-c", command, sys.executable, str(notes)], capture_output=True, text=True, env=environment
            )
            for environment in (service.environment(), {**service.environment(), "SEMSEARCH_SERVICE": "0"})
        ]
        assert (done[0].returncode, done[0].stdout, done[0].stderr) == (
            done[1].returncode,
            done[1].stdout,
            done[1].stderr,
        )


def test_limits_of_the_client_are_kept(service: ServiceProcess, notes: Path) -> None:
    # A service has no such limit: the command runs by itself.
    command = 'ulimit -v 200000; exec "$0" -m semsearch search boats -i "$1"'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(notes)], capture_output=True, text=True, env=service.environment()
    )
    assert done.returncode == 2 and "memory" in one_line_error(done.stderr)


def test_one_service_a_user(service: ServiceProcess) -> None:
    second = service.run("serve", "--commands-only")
    assert second.code == 2 and "runs already (process " in one_line_error(second.err)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_that_end_a_service_leave_no_socket(how: signal.Signals, notes: Path) -> None:
    with ServiceProcess() as service:
        assert service.run("search", "boats", "-i", notes).code == 0
        assert service.stop(how) == 0
        assert not service.socket.exists()
        service.start()


def test_a_service_under_nohup_goes_on_when_its_terminal_goes(notes: Path) -> None:
    with ServiceProcess() as service:
        assert service.stop() == 0
        service.start("nohup")
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        assert not HEAVY & imported(service, ["search", "boats", "-i", notes])


def test_a_service_that_was_killed_is_replaced(notes: Path) -> None:
    with ServiceProcess() as service:
        client = service.start_client("search", "--queries", "-", "--jsonl", "-i", notes)
        service.wait_for_command(client)
        (command,) = service.commands()
        assert service.stop(signal.SIGKILL) == -9
        wait_until(lambda: not command.is_running())
        _, err = client.communicate(timeout=60)
        assert client.returncode == 2 and json.loads(err)["error"]["code"] == "service_ended"
        assert service.socket.exists()
        assert service.run("search", "boats", "-i", notes).code == 0
        service.start()
        assert not HEAVY & imported(service, ["search", "boats", "-i", notes])
        client = service.start_client("search", "--queries", "-", "--jsonl", "-i", notes)
        service.wait_for_command(client)
        assert service.stop() == 0
        assert not service.socket.exists()
        client.communicate(timeout=60)
        assert client.returncode in (2, -15)
        service.start()


def test_a_folder_that_others_can_write_to_is_not_trusted(service: ServiceProcess, notes: Path, tmp_path: Path) -> None:
    with ServiceProcess() as other:
        other.folder.chmod(0o770)
        assert imported(other, ["search", "boats", "-i", notes]) >= HEAVY
        assert other.stop() == 0
        refused = other.run("serve", "--commands-only")
        assert refused.code == 2 and "is not this user's alone" in one_line_error(refused.err)
        other.folder.chmod(0o700)
        other.start()


def test_nonsense_on_the_socket(service: ServiceProcess, notes: Path) -> None:
    for data in (b"\0", b"\xff" * 8, b"GET / HTTP/1.1\r\n\r\n", (10).to_bytes(8, "big") + b"a\0b\0c\0d\0e\0"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(service.socket))
            client.sendall(data)
            client.settimeout(60)
            assert _ended(client)
    for fields in ([b"x", b"0", b"", b"0"], [b"x", b"-1", b"", b"9"], [b"x"], []):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(service.socket))
            request = b"".join(one + b"\0" for one in fields)
            client.sendall(len(request).to_bytes(8, "big") + request)
            client.settimeout(60)
            assert _ended(client)
    assert service.run("search", "boats", "-i", notes).code == 0


def accepted(service: ServiceProcess) -> socket.socket:
    """A client that the service has accepted."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(service.socket))
    code = "from semsearch.cli import service_socket; import sys; sys.stdout.buffer.write(service_socket.identity())"
    identity = subprocess.run([sys.executable, "-c", code], env=service.environment(), capture_output=True).stdout
    request = b"".join(one + b"\0" for one in (identity, b"18", b"", b"0"))
    client.sendall(len(request).to_bytes(8, "big") + request)
    client.settimeout(60)
    assert client.recv(1) == service_socket.ACCEPTED
    return client


def test_clients_that_leave_before_they_begin(service: ServiceProcess, notes: Path) -> None:
    clients = [accepted(service) for _ in range(6)]
    for client in clients[:3]:
        client.close()
    for client, count in zip(clients[3:], (0, 1, 5), strict=True):
        with client:  # what is not the four descriptors
            socket.send_fds(client, [service_socket.GO], [0] * count)
            assert _ended(client)
    assert not HEAVY & imported(service, ["search", "boats", "-i", notes])
    assert service.process is not None
    assert psutil.Process(service.process.pid).num_fds() < 20


def test_a_service_that_stands_still(service: ServiceProcess, notes: Path) -> None:
    assert service.process is not None
    service.process.send_signal(signal.SIGSTOP)
    try:
        # Its output ends with it: nothing of it is held by the service.
        assert service.run("search", "boats", "-l", "-i", notes, cwd=notes).out.startswith("boats.md\n")
    finally:
        service.process.send_signal(signal.SIGCONT)
    service.wait_for_commands(0)


def test_files_of_a_process_are_the_clients(service: ServiceProcess, notes: Path) -> None:
    command = 'echo boats | "$0" -m semsearch search --queries /dev/fd/0 -l -i "$1"'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(notes)], capture_output=True, text=True, env=service.environment()
    )
    assert done.returncode == 0, done.stderr


def test_a_command_that_is_killed(service: ServiceProcess, notes: Path) -> None:
    client = service.start_client("search", "--queries", "-", "-i", notes)
    service.wait_for_command(client)
    service.commands()[0].kill()
    assert client.wait(60) == -9
    client.communicate()


def test_a_model_that_is_gone(notes: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(os.environ["SEMSEARCH_CACHE"], cache, ignore=shutil.ignore_patterns("*.lock"))
    with ServiceProcess(SEMSEARCH_CACHE=str(cache)) as service:
        for _ in range(2):
            assert service.run("search", "who paints boats", "-i", notes).code == 0
        for folder in cache.glob("model-*"):
            shutil.rmtree(folder)
        for arguments in (("who paints boats",), ("boats", "--mode", "lexical")):
            alone = service.run("search", *arguments, "-i", notes, served=False)
            assert service.run("search", *arguments, "-i", notes) == alone
            assert alone.code == 0


def _ended(client: socket.socket) -> bool:
    """Waits until the service says something, or nothing any more."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:  # it had not read all of it
        return True


@pytest.mark.parametrize("lacks", [MemoryError(), RuntimeError("can't start new thread"), OSError("unreadable")])
def test_a_model_that_cannot_be_kept_for_a_shortage_ends_no_service(
    lacks: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(folder: str, name: str) -> None:
        raise lacks

    monkeypatch.setattr(command_service.kept_models, "keep", keep)
    command_service._keep_open("/cache/a", "a")


def test_a_thousand_idle_connections(service: ServiceProcess, notes: Path) -> None:
    idle = []
    try:
        for _ in range(1000):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(service.socket))
            idle.append(client)
        assert not HEAVY & imported(service, ["search", "boats", "-i", notes])
    finally:
        for client in idle:
            client.close()


def test_a_socket_of_systemd_is_taken_and_left(notes: Path) -> None:
    code = """if True:
        import os, sys
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
        os.dup2(int(sys.argv[1]), 3)
        os.execv(sys.executable, [sys.executable, "-m", "semsearch", "serve", "--commands-only"])
    """
    with ServiceProcess() as service, socket.socket(socket.AF_UNIX) as passed:
        assert service.stop() == 0
        passed.bind(str(service.socket))
        passed.listen()
        service.process = subprocess.Popen(
            [sys.executable, "-c", code, str(passed.fileno())], env=service.environment(),
            pass_fds=[passed.fileno()], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert service.process.stderr is not None and "are run here" in service.process.stderr.readline()
        assert not HEAVY & imported(service, ["search", "boats", "-i", notes])
        assert service.stop() == 0
        assert service.socket.exists()
        service.start()


_PASSES_BOTH = """if True:
    import os, sys
    for number, one in enumerate(sys.argv[1:3], 3):
        os.dup2(int(one), number)
        os.close(int(one))
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:commands")
    os.execv(sys.executable, [sys.executable, "-m", "semsearch", "serve", "--port", "1", "-i", sys.argv[3]])
"""


def test_both_sockets_of_systemd_are_taken(notes: Path) -> None:
    with ServiceProcess() as service, socket.socket(socket.AF_UNIX) as commands, socket.socket() as http:
        assert service.stop() == 0
        commands.bind(str(service.socket))
        http.bind(("127.0.0.1", 0))
        numbers = []
        for one in (http, commands):
            one.listen()
            # Out of the way of what is to be passed.
            numbers.append(fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100))
        service.process = subprocess.Popen(
            [sys.executable, "-c", _PASSES_BOTH, *map(str, numbers), str(notes)], env=service.environment(),
            pass_fds=numbers, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert service.process.stderr is not None and "are run here" in service.process.stderr.readline()
        port = http.getsockname()[1]
        assert f"at http://127.0.0.1:{port}/" in service.process.stderr.readline()
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        assert not HEAVY & imported(service, ["search", "boats", "-i", notes])
        # The process for commands holds nothing of HTTP.
        (beside,) = (one for one in service.commands() if "semsearch.child" not in one.cmdline())
        assert not beside.net_connections("inet")
        assert service.stop() == 0
        assert service.socket.exists()
        for number in numbers:
            os.close(number)
        service.start()


def test_nothing_is_announced_where_it_cannot_begin(notes: Path) -> None:
    with ServiceProcess() as service, socket.socket() as taken:
        assert service.stop() == 0
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = service.run("serve", "-i", notes, "--port", taken.getsockname()[1])
        assert done.code == 2 and "in use" in one_line_error(done.err)
        assert not service.socket.exists()
        open_to_all = service.run("serve", "-i", notes, "--host", "0.0.0.0", "--port", 0)
        assert open_to_all.code == 2 and "no token is set" in one_line_error(open_to_all.err)
        service.start()


def test_models_that_nobody_uses_are_closed(notes: Path) -> None:
    with ServiceProcess("--idle", "0.0001") as service:
        assert service.process is not None
        maps = Path(f"/proc/{service.process.pid}/maps")
        for query in ("boats", "bread"):
            assert service.run("search", query, "-i", notes).code == 0
            wait_until(lambda: "model.ort" not in maps.read_text())


def test_many_at_once(service: ServiceProcess, notes: Path) -> None:
    clients = [service.start_client("search", "boats", "-l", "-i", notes, cwd=notes) for _ in range(30)]
    out = {client.communicate(timeout=120)[0] for client in clients}
    assert out == {service.run("search", "boats", "-l", served=False, cwd=notes).out}
    service.wait_for_commands(0)
    assert service.process is not None
    resident = psutil.Process(service.process.pid)
    # The mapped vectors of the model that is kept, once; it may be on its way into the service still.
    wait_until(
        lambda: (
            sorted(Path(one.path).name for one in resident.open_files())
            in (["service.lock"], ["service.lock", "vectors.npy"])
        )
    )
    # Those of numpy's library, which survive a fork.
    assert resident.num_threads() <= len(os.sched_getaffinity(0))


def test_the_identity_names_what_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = service_socket.identity()
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert service_socket.identity() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert service_socket.identity() != before
