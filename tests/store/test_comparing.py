"""Whether two indexes are found to hold the same vectors."""

import numpy as np

from semsearch.store.comparing import _is_rounded

# In the middle of two numbers of half precision.
TIE = np.array([[0.5 + 2**-12, -0.25 - 2**-13]], np.float32)


def test_what_lies_between_two_halves_may_be_rounded_to_either() -> None:
    up, down = TIE + np.array([2**-12, -(2**-13)], np.float32), TIE - np.array([2**-12, -(2**-13)], np.float32)
    for kept in (TIE, up, down):
        assert _is_rounded(TIE, kept.astype(np.float16).astype(np.float32))
    # Two halves that differ are not the same.
    assert not _is_rounded(up, down)
    assert not _is_rounded(TIE, TIE[:, :1])
