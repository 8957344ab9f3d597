"""Requests a second of `semsearch serve`, its memory, idle connections, and whether it grows.

    python -m benchmarks.service_load INDEX [--clients 8] [--requests 2000] [--many 20000] [--idle 1000]

A query is words of two sentences of the index, and hardly ever the same as another. On a machine that does other things
the processor time of a search says more than the rate. Everything stays on the loopback.
"""

import argparse
import gc
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from urllib.parse import quote

from semsearch import settings
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.store.opening import read_index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--idle", type=int, default=1_000)
    options = parser.parse_args()
    queries = _queries(options.index)
    with _served(options.index) as (process, port):
        _load(port, queries[:50], options.clients)  # warm
        print(f"memory after the first searches: {_megabytes(process.pid):.0f} MB (PSS)")
        cpu = _cpu_seconds(process.pid)
        seconds, times = _load(port, _asked(queries, options.requests), options.clients)
        cpu = _cpu_seconds(process.pid) - cpu
        print(
            f"{options.requests:,} searches by {options.clients} clients: {options.requests / seconds:.0f} a second, "
            f"median {_share(times, 0.5):.0f} ms, p95 {_share(times, 0.95):.0f} ms, "
            f"{1000 * cpu / options.requests:.1f} ms of processor time each"
        )
        seconds, times = _load(port, _asked(queries, 200), 1)
        print(f"one client: median {_share(times, 0.5):.0f} ms, p95 {_share(times, 0.95):.0f} ms")
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(options.idle)]
        for one in held:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answered = sum(one.recv(12) == b"HTTP/1.1 200" for one in held)
        seconds, times = _load(port, _asked(queries, 200), options.clients)
        print(
            f"{answered:,} of {options.idle:,} idle connections held: {200 / seconds:.0f} searches a second, "
            f"p95 {_share(times, 0.95):.0f} ms, memory {_megabytes(process.pid):.0f} MB"
        )
        for one in held:
            one.close()
        before = _megabytes(process.pid)
        for part in range(1, 5):
            _load(port, _asked(queries, options.many // 4), options.clients)
            print(
                f"memory after {part * options.many // 4:,} more: {_megabytes(process.pid):.0f} MB "
                f"({_megabytes(process.pid) - before:+.1f}), {_files(process.pid)} open files"
            )


def _queries(index: str) -> list[str]:
    return read_index(settings.index_for_reading(index), lambda snapshot: held_out_queries(snapshot, 500))


def _asked(queries: list[str], count: int) -> list[str]:
    """So many queries, hardly ever the same, and others in each run: vectors of queries are cached on the disk."""
    chance = random.Random(os.urandom(8))
    return [" ".join(chance.choice(queries).split()[:6] + chance.choice(queries).split()[-3:]) for _ in range(count)]


class _served:
    def __init__(self, index: str) -> None:
        self._command = [sys.executable, "-m", "semsearch", "serve", "-i", index, "--port", "0"]

    def __enter__(self) -> tuple[subprocess.Popen[str], int]:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"serving .*:(\d+)/ ", line):
                break
        else:
            sys.exit("the service did not start")
        return self._process, int(found[1])

    def __exit__(self, *details: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def _load(port: int, queries: list[str], clients: int) -> tuple[float, list[float]]:
    """(seconds of all, seconds of each) of searches for `queries` by so many clients, each on one connection."""
    times: list[float] = []
    left = iter(queries)
    lock = threading.Lock()

    def client() -> None:
        connection = HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                query = next(left, None)
            if query is None:
                connection.close()
                return
            began = time.perf_counter()
            connection.request("GET", f"/search?query={quote(query)}&literal=1")
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200, reply.status
            times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    gc.disable()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.enable()
    return time.perf_counter() - began, times


def _share(times: list[float], share: float) -> float:
    """Milliseconds that so large a share of `times` takes at most."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1000


def _with_children(pid: int) -> list[int]:
    """A process and those that it started; Linux."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        ours = [int(child) for child in file.read().split()]
    for thread in os.listdir(f"/proc/{pid}/task"):
        if int(thread) != pid:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                ours += [int(child) for child in file.read().split()]
    return [pid, *(one for child in ours for one in _with_children(child))]


def _cpu_seconds(pid: int) -> float:
    """Seconds of processor time of a process and those that it started; Linux."""
    ticks = 0
    for one in _with_children(pid):
        with open(f"/proc/{one}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    """The proportional set size of a process and those that it started; Linux."""
    kilobytes = 0
    for one in _with_children(pid):
        with open(f"/proc/{one}/smaps_rollup", encoding="ascii") as file:
            kilobytes += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kilobytes / 1024


def _files(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in _with_children(pid))


if __name__ == "__main__":
    main()
