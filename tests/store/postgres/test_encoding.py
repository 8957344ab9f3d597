"""A model that makes no vectors on one machine does not keep the others from encoding."""

from pathlib import Path

import pytest

from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.indexing.encode import encode_pending
from semsearch.store.opening import open_store
from tests.indexing.test_encode import Unsound
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import ask, counts, problems


def test_a_model_that_is_broken_leaves_the_queue_to_others(url: str, tmp_path: Path) -> None:
    write(tmp_path / "docs", dict(texts(100, 1)))
    index_folders([str(tmp_path / "docs")], url, IndexOptions(model="static", embed=False))
    static = open_model(resolve("static"), print)
    store = open_store(url)
    with store.write(folders=[]) as writing, pytest.raises(ModelError):
        encode_pending(writing, lambda: Unsound(static, ("",), False), IndexReport("/i"), Progress())
    assert counts(url)[-1] == 100 and ask(url, "SELECT 1 FROM encode_queue WHERE claimed_by IS NOT NULL") == []
    told: list[str] = []
    with store.write(folders=[]) as writing:
        odd = writing.snapshot().passages([1, 60])
        model = Unsound(static, tuple(one.text for one in odd), True)
        encode_pending(writing, lambda: model, IndexReport("/i"), Progress(announce=told.append))
    assert counts(url)[-1] == 0 and problems(url) == []
    assert len([line for line in told if "makes no vector of" in line]) == 2
    with_none = "SELECT chunk_id FROM vectors WHERE l2_norm(embedding) = 0 ORDER BY 1"
    assert ask(url, with_none) == [(1,), (60,)]
    assert store.examine().problems == []  # type: ignore[attr-defined]
    store.close()
