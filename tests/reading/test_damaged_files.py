"""A thousand damaged files: every one is accounted for, none ends the run, none makes the main process grow."""

from pathlib import Path

import pytest

from tests.support.damaged_files import check
from tests.support.office import one_of_each

_COPIES = 40


@pytest.mark.slow
def test_a_thousand_damaged_files(tmp_path: Path) -> None:
    originals = one_of_each("The night ferry leaves the harbour at ten. " * 8)
    _, _, few = check(originals, 2, tmp_path / "few")
    count, _, most = check(originals, _COPIES, tmp_path / "many")
    assert count > 1000
    assert most < few + 100_000_000
