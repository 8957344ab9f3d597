"""The process that encodes passages with PyTorch on a GPU: `python -m semsearch.embedding.gpu_process FD JOB`.

A process of its own: torch and faiss in one process are two OpenMP runtimes, which crashes on macOS, its gigabytes go
with it, and what a driver does to it is not done to the index. FD: the descriptor of a `Connection`; JOB: a `GpuJob` as
JSON. It first sends a `Ready`; then each message is a `Request`, pickled, and is answered with a `Reply`. What goes
wrong is the last line on stderr.
"""

import contextlib
import json
import logging
import os
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors


@dataclass(frozen=True)
class GpuJob:
    """The model in `folder`, known as `name`, for texts of at most `window` tokens, on the device `asked` (`auto`: the
    one there is). `trust`: code in the folder may be run."""

    name: str
    folder: str
    trust: bool
    asked: str
    window: int


@dataclass(frozen=True)
class Ready:
    """`device`: where the model is; `cpu`: nowhere, as the device is not there, for the reason `missing`. `shown`: what
    the device is called."""

    device: str
    shown: str
    missing: str


@dataclass(frozen=True)
class Request:
    """Passages with their prefix. `single`: they are to be encoded in float32, and all later ones."""

    texts: list[str]
    single: bool = False


@dataclass(frozen=True)
class Reply:
    """`places` (m,): which of the texts have a vector, `vectors` (m, dim) float32, of any length; the others do not fit
    into the device's memory. `precision` of the computation; `seconds` that it took; `bytes`: the most that torch has
    held on the device, 0: unknown."""

    places: NDArray[np.int64]
    vectors: Vectors
    precision: str
    seconds: float
    bytes: int


def main(descriptor: str, job: str) -> None:
    """Serves requests until the other end is closed."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    connection = Connection(int(descriptor))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            serve(connection, GpuJob(**json.loads(job)))
    except (BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines()  # those of drivers are long, and the first one says it
        sys.exit(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)


def serve(connection: Connection, job: GpuJob) -> None:
    """Answers what comes from `connection`, until that is closed. May raise an error of a pipe then."""
    from semsearch.embedding.device import device_name, find_device

    device, missing = find_device(job.asked)
    if device == "cpu" and job.asked != "cpu":
        connection.send(Ready(device, device, missing or "PyTorch finds none"))
        return
    from semsearch.embedding.gpu_model import GpuModel
    from semsearch.embedding.model_table import card_of
    from semsearch.embedding.torch_runtime import load_transformer

    card = card_of(job.name)
    model = GpuModel(lambda: load_transformer(job.folder, job.trust, card, device), device, job.window)
    connection.send(Ready(device, device_name(device), ""))
    while True:
        try:
            request: Request = connection.recv()
        except EOFError:  # which torch raises, too, of weights that are cut off
            return
        began = time.perf_counter()
        if request.single:
            model.use_single()
        made = model.encode(request.texts)
        places = np.array(sorted(made), np.int64)
        vectors = np.stack([made[place] for place in places]) if made else np.empty((0, 0), np.float32)
        connection.send(Reply(places, vectors, model.precision, time.perf_counter() - began, _most_bytes(device)))


def _most_bytes(device: str) -> int:
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return int(torch.mps.driver_allocated_memory()) if device.startswith("mps") else 0


if __name__ == "__main__":
    # Operations that MPS lacks are computed on the processor; read when torch is imported.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # The classes of the messages are to be those that the other end imports.
    from semsearch.embedding import gpu_process

    gpu_process.main(*sys.argv[1:])
