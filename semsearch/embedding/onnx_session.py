"""Opens what a prepared reranker consists of, `tokenizer.json` and `model.ort`."""

import os
from typing import Any

from semsearch.errors import ModelError, for_shell
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.shortage import shortage_of


def open_tokenizer_and_session(folder: str) -> tuple[Any, Any]:
    """The tokenizer, and the session of one thread, of the prepared model in `folder`. Raises `ModelError` where they
    do not load."""
    switch_off_telemetry()
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        session = onnxruntime.InferenceSession(
            os.path.join(folder, "model.ort"), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the exception classes of both libraries are not public
        if shortage_of(error):
            raise
        raise ModelError(
            f"the prepared model in {folder} cannot be loaded: {str(error).splitlines()[0]}",
            f"remove it and run again: rm -r {for_shell(folder)}",
        ) from None
    return tokenizer, session
