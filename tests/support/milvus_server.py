"""Milvus Lite as a server on the loopback."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def milvus_lite(folder: Path) -> Iterator[str]:
    """The `milvus://` URL, without a collection, of a server that keeps its data in `folder`."""
    command = [sys.executable, "-u", "-m", "milvus_lite", "server", "--data-dir", str(folder), "--host", "127.0.0.1"]
    with (folder.parent / "milvus-lite.log").open("w") as log:
        process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert "listening on 127.0.0.1" in said, said
        ports = {
            bound.laddr.port for bound in psutil.Process(process.pid).net_connections() if bound.status == "LISTEN"
        }
        assert len(ports) == 1, ports
        # Whatever it says later must not fill the pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"milvus://127.0.0.1:{ports.pop()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
