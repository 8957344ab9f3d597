"""What `models prepare` makes of a folder, and what of it is refused as a model of dense vectors."""

from pathlib import Path

import pytest

from semsearch.embedding.open import open_model
from semsearch.embedding.preparing import prepare
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from tests.support.tiny_models import make_late_interaction

pytestmark = pytest.mark.slow


def test_a_reranker_is_prepared_as_one_and_refused_as_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    folder = str(make_late_interaction(tmp_path / "made", "native"))
    (line,) = prepare(folder, False, lambda message: None)
    assert line.startswith(f"{folder}: onnx-") and "for --rerank" in line
    assert not list((tmp_path / "cache").glob("model-*"))
    with pytest.raises(ModelError, match="is a reranker") as caught:
        open_model(resolve(folder), lambda message: None)
    assert caught.value.hint == f"name it with: semsearch search QUERY --rerank={folder}"
