"""What kind of reranker a folder holds, and which folders hold none."""

import json
from pathlib import Path

import pytest

from semsearch.embedding.rerankers import kind_of, open_reranker
from semsearch.errors import ModelError
from tests.support.tiny_models import make_model


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": {"architectures": ["BertForSequenceClassification"]}}, "cross-encoder"),
        ({"config.json": {"architectures": ["HF_ColBERT"]}}, "late-interaction"),
        ({"config_sentence_transformers.json": {"model_type": "ColBERT"}, "config.json": {}}, "late-interaction"),
        ({"config_sentence_transformers.json": {"model_type": "MultiVectorEncoder"}}, "late-interaction"),
        ({"config.json": {"architectures": ["XLMRobertaModel"]}, "colbert_linear.pt": ""}, "late-interaction"),
    ],
)
def test_the_folder_tells_the_kind(tmp_path: Path, files: dict[str, object], kind: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert kind_of(str(tmp_path)) == kind


def test_what_is_no_reranker_is_refused_in_one_line_that_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither a classification head.* nor one for token vectors") as plain:
        open_reranker(str(make_model(tmp_path / "bi")), print)
    assert "\n" not in plain.value.message
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["ColPaliForRetrieval"]}))
    with pytest.raises(ModelError, match=r"reads pictures of pages \(ColPaliForRetrieval\)"):
        kind_of(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json is no JSON"):
        kind_of(str(tmp_path))
