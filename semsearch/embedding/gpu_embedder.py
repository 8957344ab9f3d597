"""Encodes passages on a GPU, beside a prepared model that encodes queries, and whatever the GPU cannot."""

import contextlib
import json
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe
from typing import IO

import numpy as np

from semsearch import subprocesses
from semsearch.callbacks import Announce
from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Embedder, Vectors, of_length, unit_rows
from semsearch.embedding.export.agreement import FP32_COSINE, INT8_COSINE, mean_cosine
from semsearch.embedding.gpu_process import GpuJob, Ready, Reply, Request
from semsearch.plurals import count_of

# How long an answer is waited for, and the end of the process: a driver may hang, and the run keeps others waiting. The
# first answer may take minutes, from a slow disk; later ones are of texts for seconds.
_PATIENCE_SECONDS, _END_SECONDS = 600.0, 10.0


class GpuError(Exception):
    """Why a GPU does not encode, as part of a line."""


class NoGpuError(GpuError):
    """The device is not there."""


class GpuProcess:
    """The process that encodes for `job`; it ends when this object goes. Raises `GpuError` where it cannot start."""

    def __init__(self, job: GpuJob) -> None:
        self._connection, theirs = Pipe()
        # A file, for nobody reads what a library may write there until the end.
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        with theirs:
            self._process = subprocesses.start(
                "semsearch.embedding.gpu_process",
                [str(theirs.fileno()), json.dumps(asdict(job))],
                {"HF_HUB_OFFLINE": "1"},
                pass_fds=(theirs.fileno(),),
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
        self._end = weakref.finalize(self, _end, self._connection, self._process, self._errors)
        ready = self._received()
        assert isinstance(ready, Ready)
        if ready.missing:
            self._end()
            raise NoGpuError(ready.missing)
        self.device, self.shown = ready.device, ready.shown

    def encode(self, texts: Sequence[str], single: bool = False) -> Reply:
        """What it makes of `texts`, passages with their prefix; `single`: in float32 from now on. Raises `GpuError`."""
        try:
            self._connection.send(Request(list(texts), single))
        except OSError:
            raise self._ended() from None
        reply = self._received()
        assert isinstance(reply, Reply)
        return reply

    def _received(self) -> object:
        try:
            if self._connection.poll(_PATIENCE_SECONDS):
                return self._connection.recv()
        except (EOFError, OSError):  # at the end of a message, or within one
            raise self._ended() from None
        self._end()
        raise GpuError(f"no answer within {_PATIENCE_SECONDS:.0f} s")

    def _ended(self) -> GpuError:
        """The error of the process, which has closed its end."""
        _wait(self._process)
        status = self._process.poll() or 0
        self._errors.seek(0)
        reason = f"ended by signal {-status}" if status < 0 else subprocesses.last_words(self._errors, status)
        self._end()
        return GpuError(reason)


def _end(connection: Connection, process: "subprocess.Popen[bytes]", errors: IO[str]) -> None:
    connection.close()
    process.kill()  # it has nothing that is to be kept
    _wait(process)
    errors.close()


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Waits for the end of `process`, but not for a driver that keeps it from ending."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)


class GpuEmbedder:
    """`model` whose passages `process` encodes; queries, and passages that do not fit into the memory of its device,
    `model` itself. Where the process ends before its time, `model` goes on alone, and `announce` hears of it.

    `encoded`: how many passages the device has encoded.
    """

    def __init__(self, model: Embedder, process: GpuProcess, announce: Announce) -> None:
        self.info = model.info
        self.tokenizer = model.tokenizer
        self._model = model
        self._process: GpuProcess | None = process
        self._announce = announce
        self._precision = ""
        self._has_left = False
        self.device = process.device
        self.encoded = 0

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        if self._process is None:
            return self._model.encode(texts, done)
        try:
            reply = self._process.encode([self.info.passage_prefix + text for text in texts])
        except GpuError as error:
            self._process = None
            self._announce(f"the GPU {self.device} has failed ({error}): encoding on the processor")
            return self._model.encode(texts, done)
        self._tell_precision(reply.precision)
        vectors = np.zeros((len(texts), self.info.dim), np.float32)
        if len(reply.places):
            vectors[reply.places] = self._own(reply.vectors)
            self.encoded += len(reply.places)
        if done:
            done(len(reply.places))
        left = sorted(set(range(len(texts))).difference(reply.places.tolist()))
        if left:
            if not self._has_left:
                count = count_of(len(left), "passage")
                self._announce(f"the memory of {self.device} is too small for {count}: encoded on the processor")
                self._has_left = True
            vectors[left] = self._model.encode([texts[place] for place in left], done)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        return self._model.encode_query(text)

    def agreement(self) -> float:
        """The mean cosine of what the device and the processor make of the sample texts, in float32 where it is too
        little in half precision. Raises `GpuError`."""
        assert self._process is not None
        texts = sample_texts()
        prefixed = [self.info.passage_prefix + text for text in texts]
        expected = self._model.encode(texts)
        cosine = 0.0
        for single in (False, True):
            reply = self._process.encode(prefixed, single)
            self._precision = reply.precision
            if len(reply.places) == len(texts):
                cosine = mean_cosine(self._own(reply.vectors), expected)
            if cosine >= least_agreement(self.info.runtime):
                break
        return cosine

    @property
    def precision(self) -> str:
        """In which it computes: `float16`, `bfloat16` or `float32`."""
        return self._precision

    def _own(self, vectors: Vectors) -> Vectors:
        """`vectors` of the device as those of the model, which may be cut: (n, dim) unit rows."""
        return unit_rows(of_length(vectors[:, : self.info.dim], self.info))

    def _tell_precision(self, precision: str) -> None:
        if precision != self._precision:
            self._announce(f"{self._precision} makes no numbers of a passage: encoding in {precision} from here on")
            self._precision = precision


def least_agreement(runtime: str) -> float:
    """The mean cosine with which a model was accepted that `runtime` runs, to be reached by a GPU, too."""
    return INT8_COSINE if runtime == "onnx-int8" else FP32_COSINE


def on_gpu(model: Embedder, job: GpuJob, announce: Announce) -> Embedder:
    """`model` with its passages encoded on the device of `job`; `model` itself where that cannot be, which is announced
    unless no device was asked for and none is there."""
    try:
        process = GpuProcess(job)
    except GpuError as error:
        if job.asked != "auto" or not isinstance(error, NoGpuError):
            announce(f"cannot encode on the device {job.asked} ({error}): encoding on the processor")
        return model
    embedder = GpuEmbedder(model, process, announce)
    try:
        cosine = embedder.agreement()
    except GpuError as error:
        announce(f"the GPU {process.shown} has failed ({error}): encoding on the processor")
        return model
    least = least_agreement(model.info.runtime)
    if cosine < least:
        announce(
            f"the GPU {process.shown} disagrees with the processor (mean cosine {cosine:.4f}, least {least}): encoding "
            "on the processor"
        )
        return model
    announce(
        f"encoding on the GPU {process.shown} in {embedder.precision} (mean cosine with the processor {cosine:.4f})"
    )
    return embedder
