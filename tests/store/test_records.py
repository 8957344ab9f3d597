"""What records say of themselves."""

import pytest

from semsearch.store.records import Filters, IndexInfo, Root
from tests.support.corpus import INFO, MAIL, file_record


def test_shown_paths_name_the_folder_only_where_there_are_several() -> None:
    assert INFO.shown_path(2, b"a/b.md") == "mail/a/b.md"
    assert IndexInfo(roots=(Root(1, "/x", "x"),)).shown_path(1, b"a/b.md") == "a/b.md"
    assert INFO.root(2) == MAIL
    with pytest.raises(KeyError):
        INFO.root(3)


def test_the_moment_of_a_file_is_the_date_of_the_document_if_it_has_one() -> None:
    assert file_record("a", mtime_ns=5_000_000_000).moment == 5.0
    assert file_record("a", mtime_ns=5_000_000_000, date=0.0).moment == 0.0


def test_filters_that_let_everything_in_are_none() -> None:
    assert not Filters()
    assert Filters(after=1) and Filters(since=0.0) and Filters(paths=("x",))
