"""Opens what a prepared model consists of, `tokenizer.json` and `model.ort`."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from semsearch.errors import ModelError, for_shell
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.shortage import shortage_of

Part = TypeVar("Part")


def open_session(folder: str) -> Any:
    """The session of ONNX Runtime, of one thread, of the prepared model in `folder`. Raises `ModelError`."""
    switch_off_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    model = os.path.join(folder, "model.ort")
    return opened(folder, lambda: onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))


def open_tokenizer_and_session(folder: str) -> tuple[Any, Any]:
    """The tokenizer and the session of the prepared model in `folder`. Raises `ModelError`."""
    from tokenizers import Tokenizer

    path = os.path.join(folder, "tokenizer.json")
    return opened(folder, lambda: Tokenizer.from_file(path)), open_session(folder)


def opened(folder: str, load: Callable[[], Part]) -> Part:
    """What `load` gives, a part of the prepared model in `folder`. Raises `ModelError` where it cannot be loaded."""
    try:
        return load()
    except Exception as error:  # the exception classes of both libraries are not public
        if shortage_of(error):
            raise
        raise ModelError(
            f"the prepared model in {folder} cannot be loaded: {str(error).splitlines()[0]}",
            f"remove it and run again: rm -r {for_shell(folder)}",
        ) from None
