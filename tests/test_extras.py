"""What an extra brings and is not installed is told in one error, with the command that installs it."""

import pytest

from semsearch.errors import SemsearchError
from semsearch.extras import check_installed


def test_the_first_missing_package_is_named_with_what_installs_it() -> None:
    check_installed("a test", "test", "pytest")
    with pytest.raises(SemsearchError) as told:
        check_installed("juggling", "circus", "pytest", "no_such_package", "nor_this_one")
    assert told.value.message == "juggling needs the package no_such_package"
    assert told.value.hint == "install it with: pip install 'semsearch[circus]'"
    assert told.value.code == "missing_package"
