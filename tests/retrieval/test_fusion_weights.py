"""Weights that an index learnt come back as they were, and what cannot have been learnt is damage."""

import json
import math

import pytest

from semsearch.errors import IndexDamagedError
from semsearch.retrieval.fusion_weights import FusionWeights

LEARNT = FusionWeights(1.4, 0.2, 0.6)


def test_a_round_trip() -> None:
    record = json.loads(json.dumps({**LEARNT.as_dict(), "questions": 40}))
    assert FusionWeights.from_record(record, "/i") == LEARNT
    assert FusionWeights.from_record(None, "/i") == FusionWeights()
    assert FusionWeights.from_record({"meaning": 1, "neighbours": 0, "letters": 1}, "/i") == FusionWeights(
        1.0, 0.0, 1.0
    )


@pytest.mark.parametrize("name", ["meaning", "neighbours", "letters"])
@pytest.mark.parametrize("value", [None, "1", True, [1], -0.1, 1e9, math.nan, math.inf])
def test_a_weight_that_is_none_is_damage(name: str, value: object) -> None:
    with pytest.raises(IndexDamagedError, match=f"^/i: its weight of {name}") as caught:
        FusionWeights.from_record({**LEARNT.as_dict(), name: value}, "/i")
    assert "tune --drop" in caught.value.hint
    with pytest.raises(IndexDamagedError):
        FusionWeights.from_record({}, "/i")
