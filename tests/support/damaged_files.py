"""Damages files in every way that a bad copy or disk could, and indexes them in a process that is watched."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.support.folders import PROJECT, write


def damaged(random_: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """`data` cut short, with bits flipped, with a part of another file in it, or with parts changed over."""
    at = random_.randrange(len(data))
    kind = random_.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(random_.choice([1, 3, 30])):
            changed[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        return bytes(changed)
    if kind == 2:
        other = random_.choice(others)
        return data[:at] + other[: random_.randrange(1, len(other))] + data[at:]
    end = random_.randrange(at, len(data))
    return data[end:] + data[at:end] + data[:at]


def corpus(folder: Path, originals: dict[str, bytes], copies: int, seed: int) -> int:
    """Writes `copies` damaged versions of each of `originals`; returns how many files that are."""
    random_ = random.Random(seed)
    contents = list(originals.values())
    files: dict[str, str | bytes] = {}
    for name, data in originals.items():
        for number in range(copies):
            files[f"{number:03}/{name}"] = damaged(random_, data, contents)
    write(folder, files)
    return len(files)


def index(folder: Path, target: Path) -> tuple[dict[str, object], float, int]:
    """The report of `semsearch index`, its seconds, and the most memory its main process had, in bytes."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_READ_SECONDS": "10"}
    with (target.with_suffix(".json")).open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "semsearch", "index", str(folder), "-i", str(target), "--no-embed", "--json"],
            stdout=out, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        watched, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            try:
                most = max(most, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        errors = process.communicate()[1].decode()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return json.loads(target.with_suffix(".json").read_text()), time.monotonic() - started, most


def check(originals: dict[str, bytes], copies: int, tmp_path: Path) -> tuple[int, float, int]:
    count = corpus(tmp_path / "damaged", originals, copies, 20_26)
    report, seconds, most = index(tmp_path / "damaged", tmp_path / "index")
    files = report["files"]
    assert isinstance(files, dict)
    assert files["added"] + files["skipped"] + files["failed"] == count
    assert files["failed"] > count // 20
    assert files["added"] > count // 10
    return count, seconds, most
