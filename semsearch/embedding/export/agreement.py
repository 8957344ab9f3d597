"""How far a prepared model agrees with the library it was made from, and what it knows: the record of it."""

import errno
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.calibration import calibrate
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.shortage import free_bytes, shortage_of

# Least mean cosine with sentence-transformers over the sample texts, and least `correlation` of scores.
INT8_COSINE = 0.985
FP32_COSINE = 0.9999
_TOLD_CHARACTERS = 200
# Bytes; with less free, a disk is full.
_LEAST_ROOM = 1 << 20
_OF_THE_DISK = (errno.EDQUOT, errno.EIO, errno.EROFS)


def mean_cosine(ours: Vectors, reference: Vectors) -> float:
    """The mean cosine of corresponding rows, both (n, dim) of length 1."""
    return float((ours * reference).sum(axis=1).mean())


def correlation(ours: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Pearson's, of two (n,), less a tenth of the distance of the means in standard deviations of `reference`.

    The scores must agree, not only their order.
    """
    spread = float(reference.std()) or 1.0
    return float(np.corrcoef(ours, reference)[0, 1]) - abs(float(ours.mean() - reference.mean())) / spread / 10


def failure(error: Exception, working: str) -> str:
    """Why a variant could not be made in the folder `working`, for the record.

    Raises OSError or `SemsearchError` where not the model is at fault, but what this machine lacks: with more of it the
    variant may well be made.
    """
    if lack := shortage_of(error):
        raise lack from None
    # Libraries that write files tell a full disk in words of their own, or not at all.
    if free_bytes(working) < _LEAST_ROOM or getattr(error, "errno", None) == errno.ENOSPC:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        raise error
    return f"{type(error).__name__}: {str(error)[:_TOLD_CHARACTERS]}"


def calibrated_record(embedder: Embedder, tried: dict[str, Any], texts: int) -> dict[str, Any]:
    """The record of `embedder` for `model.json`, with its calibration.

    `tried`: runtime -> mean cosine with the reference over `texts` texts, or why it could not be made.
    """
    calibration = calibrate(
        lambda queries: np.stack([embedder.encode_query(query) for query in queries]),
        embedder.encode,
        embedder.tokenizer.tokens,
    )
    info = {**embedder.info.as_dict(), "calibration": {**calibration.__dict__}}
    return {"info": info, "mean_cosine_with_reference": tried, "sample_texts": texts}
