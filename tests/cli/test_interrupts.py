"""Interrupts at chosen moments: in imports, in callbacks, twice; what becomes of the processes that were started."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.verification import verify
from tests.support.commands import hear_signals, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.signals import MARK, marked
from tests.support.waiting import CEILING_SECONDS, ENDLESS_FILE, wait_until

# At the beginning of the process of a command: it interrupts itself when it imports a module, once.
_AT_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
left = [os.environ["INTERRUPT_AT"]] if "semsearch.child" not in sys.orig_argv else []
def hook(event, arguments):
    if event == "import" and left and arguments[0] == left[0]:
        left.pop()
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
"""
MODULES = [
    "semsearch.cli.interrupts", "typer", "semsearch.cli.app", "numpy", "numpy._core._multiarray_umath", "faiss",
    "onnxruntime", "tokenizers", "semsearch.indexing", "semsearch.reading.pool", "encodings.idna",
]  # fmt: skip


@pytest.fixture
def index(notes: Path, tmp_path: Path) -> Path:
    index_folders([str(notes)], str(tmp_path / "index"), IndexOptions(model="static"))
    write(notes, {"new.txt": "Something new about lighthouses.\n"})
    return tmp_path / "index"


def interrupted(arguments: list[str], hook: str, tmp_path: Path, **environment: str) -> tuple[int, str]:
    write(tmp_path / "hook", {"sitecustomize.py": hook})
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True, timeout=CEILING_SECONDS,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'hook'}:{PROJECT}", **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("command", ["search", "index", "status"])
def test_an_import_is_interrupted_in_one_line(tmp_path: Path, index: Path, command: str, module: str) -> None:
    arguments = {"search": ["search", "roses"], "index": ["index"], "status": ["status"]}[command] + ["-i", str(index)]
    code, err = interrupted(arguments, _AT_IMPORT, tmp_path, INTERRUPT_AT=module)
    if code == 0:
        assert "interrupted" not in err  # this command does not import it
        assert module not in ("semsearch.cli.interrupts", "typer", "semsearch.cli.app")
    else:
        assert code == 130 and "interrupted" in one_line_error(err)
    assert not verify(str(index), False, False, lambda message: None).problems


# An `index` that is interrupted when it has a writer: in a `__del__`, which cannot raise; where a library makes another
# error of it; and twice.
_IN_A_RUN = """
import os, signal, sys, time
how = sys.argv.pop(1)
import semsearch.__main__
import semsearch.indexing.pipeline as pipeline
def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)
    for _ in range(1000): pass
class Dropped:
    def __del__(self):
        interrupt()
def begin(*arguments):
    if how == "lost":
        Dropped()
        time.sleep(60)
    elif how == "masked":
        try:
            interrupt()
        except KeyboardInterrupt:
            raise ImportError("numpy cannot be imported") from None
    else:
        try:
            interrupt()
        finally:
            interrupt()
            interrupt(signal.SIGTERM)
pipeline._begin = begin
semsearch.__main__.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lost", "masked", "twice"])
def test_an_interrupt_is_neither_lost_nor_told_as_something_else(tmp_path: Path, index: Path, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_RUN, how, "index", "-i", str(index)], capture_output=True, text=True,
        timeout=CEILING_SECONDS, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        preexec_fn=hear_signals,
    )  # fmt: skip
    assert done.returncode == 130
    assert "interrupted (what was committed is kept; run again to go on)" in one_line_error(done.stderr)


@pytest.mark.slow
def test_what_is_ignored_stays_ignored(tmp_path: Path, index: Path) -> None:
    """As nohup and the shell's background leave it."""
    hook = _AT_IMPORT.replace("signal.default_int_handler", "signal.SIG_IGN")
    code, err = interrupted(["index", "-i", str(index)], hook, tmp_path, INTERRUPT_AT="semsearch.indexing")
    assert (code, err) == (0, "")
    hook = hook.replace("signal.SIGINT", "signal.SIGHUP").replace('"semsearch.indexing"', '"numpy"')
    code, err = interrupted(["index", "-i", str(index), "--rebuild"], hook, tmp_path, INTERRUPT_AT="faiss")
    assert (code, err) == (0, "")


def test_json_is_told_in_json(tmp_path: Path, index: Path) -> None:
    import json

    from tests.support.schemas import ERROR

    jsonschema = pytest.importorskip("jsonschema")
    arguments = ["search", "roses", "-i", str(index), "--json"]
    code, err = interrupted(arguments, _AT_IMPORT, tmp_path, INTERRUPT_AT="typer")
    assert code == 130
    jsonschema.validate(json.loads(err), ERROR)
    error = json.loads(err)["error"]
    assert (error["code"], error["hint"]) == ("interrupted", ""), "it commits nothing that could be kept"
    assert interrupted(arguments[:-1], _AT_IMPORT, tmp_path, INTERRUPT_AT="typer") == (130, "semsearch: interrupted\n")


# -- processes that were started -------------------------------------------------------------------------------------

# Starts a child as semsearch does, and waits.
_PARENT = """
import sys, time
from semsearch import subprocesses
child = subprocesses.start(sys.argv[1], sys.argv[2:], {})
time.sleep(3600)
"""
CHILDREN = {
    # Its C code holds the interpreter and never comes back.
    "stuck": "import re, sys\nopen(sys.argv[1], 'x').close()\nre.match('(a+)+$', 'a' * 60 + 'b')\n",
    "cleaning": "import shutil, sys, time\nfrom semsearch import child\n"
    "child.clean_up_first(lambda: shutil.rmtree(sys.argv[2]))\nopen(sys.argv[1], 'x').close()\ntime.sleep(3600)\n",
}


# As on macOS: the signal that ends a child on Linux is ignored there.
_ELSEWHERE = """
import signal, sys
if "semsearch.child" in sys.orig_argv:
    sys.platform = "darwin"
    signal.signal(signal.SIGIO, signal.SIG_IGN)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes by their environment")
@pytest.mark.parametrize("kind", ["waiting", "cleaning"])
def test_a_child_ends_with_its_parent_on_other_systems(tmp_path: Path, kind: str) -> None:
    waiting = "import sys, time\nopen(sys.argv[1], 'x').close()\ntime.sleep(3600)\n"
    write(
        tmp_path, {"tried_child.py": CHILDREN.get(kind, waiting), "sitecustomize.py": _ELSEWHERE, "working/part": "-"}
    )
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, "tried_child", str(tmp_path / "started"), str(tmp_path / "working")],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{tmp_path}", MARK: str(tmp_path)},
    ) as parent:  # fmt: skip
        wait_until((tmp_path / "started").exists, parent)
        parent.kill()
    wait_until(lambda: not marked(str(tmp_path)))
    assert (tmp_path / "working").exists() == (kind == "waiting")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes by their environment")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_ends_with_its_parent(tmp_path: Path, kind: str, sent: signal.Signals) -> None:
    write(tmp_path, {f"{kind}_child.py": CHILDREN[kind], "working/part": "half made"})
    started = tmp_path / "started"
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, f"{kind}_child", str(started), str(tmp_path / "working")],
        stderr=subprocess.DEVNULL, preexec_fn=hear_signals,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{tmp_path}", MARK: str(tmp_path)},
    ) as parent:  # fmt: skip
        wait_until(started.exists, parent)
        assert len(marked(str(tmp_path))) == 2
        parent.send_signal(sent)
    wait_until(lambda: not marked(str(tmp_path)))
    assert (tmp_path / "working").exists() == (kind == "stuck")


# SIGIO as it is on macOS, where it is discarded, and as a parent may hand it down.
_DISCARDED = """
import signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
sys.platform = {platform!r}
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes by their environment")
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_child_ends_with_its_parent_where_sigio_is_discarded(tmp_path: Path, platform: str) -> None:
    waiting = "import sys, time\nopen(sys.argv[1], 'x').close()\ntime.sleep(3600)\n"
    hook = _DISCARDED.format(platform=platform)
    write(tmp_path, {"waiting_child.py": waiting, "sitecustomize.py": hook})
    started = tmp_path / "started"
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, "waiting_child", str(started)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{tmp_path}", MARK: str(tmp_path)},
    ) as parent:  # fmt: skip
        wait_until(started.exists, parent)
        parent.kill()
    wait_until(lambda: not marked(str(tmp_path)))


# In the process that prepares a model: it says that it has begun, and does not come to an end.
_ENDLESS_EXPORT = """
import sys
if "semsearch.embedding.export" in sys.orig_argv:
    def hook(event, arguments):
        if event == "import" and arguments[0] == "semsearch.embedding.export.static":
            import os, time
            open(os.environ["PREPARING"], "x").close()
            time.sleep(3600)
    sys.addaudithook(hook)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes by their environment")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_model_that_is_being_prepared_leaves_nothing(tmp_path: Path, index: Path, sent: signal.Signals) -> None:
    write(tmp_path / "hook", {"sitecustomize.py": _ENDLESS_EXPORT})
    cache, preparing = tmp_path / "cache", tmp_path / "preparing"
    with subprocess.Popen(
        [sys.executable, "-m", "semsearch", "search", "roses", "-i", str(index)], stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_signals, process_group=0,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'hook'}:{PROJECT}", MARK: str(tmp_path),
             "PREPARING": str(preparing), "SEMSEARCH_CACHE": str(cache)},
    ) as process:  # fmt: skip
        wait_until(preparing.exists, process)
        assert list(cache.glob(".preparing-*"))
        os.killpg(process.pid, sent)
        err = process.communicate(timeout=CEILING_SECONDS)[1]
    wait_until(lambda: not marked(str(tmp_path)))
    assert not list(cache.glob(".preparing-*"))
    assert "Traceback" not in err
    assert process.returncode == (130 if sent == signal.SIGINT else -sent)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes by their environment")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_readers_end_with_the_run(
    tmp_path: Path, index: Path, notes: Path, sent: signal.Signals, semsearch: Callable[..., object]
) -> None:
    write(notes, {"endless.txt": "text without end"})
    write(tmp_path / "hook", {"sitecustomize.py": ENDLESS_FILE})
    with subprocess.Popen(
        [sys.executable, "-m", "semsearch", "index", "-i", str(index)], stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_signals,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'hook'}:{PROJECT}", MARK: str(tmp_path),
             "READING": str(tmp_path / "reading")},
    ) as process:  # fmt: skip
        wait_until((tmp_path / "reading").exists, process)
        process.send_signal(sent)
        err = process.communicate(timeout=CEILING_SECONDS)[1]
    wait_until(lambda: not marked(str(tmp_path)))
    if sent == signal.SIGKILL:
        assert process.returncode == -sent
    else:
        assert process.returncode == 130 and "interrupted" in one_line_error(err)
    shutil.rmtree(tmp_path / "hook")
    assert semsearch("index", "-i", index).code == 0  # type: ignore[attr-defined]
