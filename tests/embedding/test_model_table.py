"""Every row of the table of models: its facts are whole, and it is run as it says it is."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import Embedder, unit_rows
from semsearch.embedding.export.transformer import export_transformer, open_runtime
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.model_table import ModelCard, card_of, cards, is_matryoshka
from semsearch.embedding.onnx_runtime import OnnxEmbedder
from semsearch.embedding.open import open_model, open_recorded
from semsearch.embedding.recommendation import Requirements, Speed, estimated, recommended
from semsearch.embedding.resolve import packaged, resolve
from semsearch.embedding.static_runtime import StaticEmbedder
from semsearch.errors import ModelError, UsageError
from tests.support.commands import Command
from tests.support.tiny_models import make_family, make_model, make_model_with_head

ASKED_FOR = (
    "all-MiniLM-L6-v2", "BAAI/bge-m3", "bge-small-en-v1.5", "bge-base-en-v1.5", "bge-large-en-v1.5", "e5-small-v2",
    "intfloat/e5-large-v2", "multilingual-e5-base", "intfloat/e5-mistral-7b-instruct",
    "Alibaba-NLP/gte-Qwen2-7B-instruct", "jinaai/jina-embeddings-v3", "nomic-ai/nomic-embed-text-v1.5",
    "mixedbread-ai/mxbai-embed-large-v1", "text-embedding-3-small", "openai:text-embedding-3-large",
    "embed-english-v3.0", "cohere:embed-multilingual-v3.0", "voyage-3", "voyage:voyage-3", "jina:jina-embeddings-v3",
)  # fmt: skip
# Architectures that transformers has, small and random, in place of those that bring code of their own.
STANDS_IN = {"nomic-bert": "bert", "gte": "bert"}
LOCAL = [card for card in cards() if card.check == "tiny"]


@pytest.mark.parametrize("name", ASKED_FOR)
def test_models_are_known_by_the_names_people_use(name: str) -> None:
    card = card_of(name)
    assert card is not None and card.dim >= 256 and card.window >= 256 and card.languages and card.licence
    assert (card.price_usd is not None) == card.is_api
    assert card.is_api or card.size_mb > 0


def test_rows_are_whole() -> None:
    assert len({card.name for card in cards()}) == len(cards())
    for card in cards():
        assert card.check in ("real weights", "tiny", "protocol"), card
        assert not card.matryoshka or max(card.matryoshka) <= max(card.dim, 2048), card
        assert card.is_api or card.kind in ("local", "packaged"), card
        assert not card.is_api or card.check == "protocol", card


@pytest.mark.slow
@pytest.mark.parametrize("card", LOCAL, ids=lambda card: card.name)
def test_a_local_model_is_run_with_its_prefixes_window_and_pooling(
    card: ModelCard, tmp_path: Path, made_once: Callable[[str, Callable[[Path], Path]], Path]
) -> None:
    """The row's name on a small random model of its architecture, against sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    pooling = {"last token": "lasttoken"}.get(card.pooling, card.pooling)
    family = STANDS_IN.get(card.architecture, card.architecture)
    folder, working = tmp_path / card.name, tmp_path / "working"
    shutil.copytree(made_once(f"{family}-{pooling}", lambda base: make_family(base, family, pooling)), folder)
    working.mkdir()
    # As `prepare_model` does, which starts a process that imports transformers for five seconds.
    record = export_transformer(str(folder), str(folder), "0" * 64, str(working), False)
    info = ModelInfo.from_dict(record["info"])
    embedder: Embedder
    assert info.runtime == "static" or info.runtime.startswith("onnx-"), record
    embedder = (StaticEmbedder if info.runtime == "static" else OnnxEmbedder)(info, str(working))
    assert (info.query_prefix, info.passage_prefix) == (card.query_prefix, card.passage_prefix)
    assert info.window == (512 if info.runtime == "static" else 64)
    reference = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    texts = ["the old pump runs", "water in the valve of the house"]
    for prefix, ours in (
        (card.passage_prefix, embedder.encode(texts)),
        (card.query_prefix, np.stack([embedder.encode_query(text) for text in texts])),
    ):
        theirs = unit_rows(reference.encode([prefix + text for text in texts], prompt="", show_progress_bar=False))
        assert (ours * theirs).sum(axis=1).mean() >= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["bert", "xlm-roberta", "mpnet", "distilbert", "roberta", "qwen3", "gemma3_text", "a head"]
)
def test_exports_of_a_family_agree_with_sentence_transformers(family: str, tmp_path: Path) -> None:
    """ONNX in full precision to 0.9999, as int8 to 0.985, on sentences in eight languages."""
    folder = make_model_with_head(tmp_path) if family == "a head" else make_family(tmp_path, family)
    (tmp_path / "working").mkdir()
    record = export_transformer("x", str(folder), "0" * 64, str(tmp_path / "working"), False)
    info = ModelInfo.from_dict(record["info"])
    reference = open_runtime("torch-fp32", info, str(folder), str(tmp_path / "working")).encode(sample_texts())
    for runtime, least in (("onnx-int8", 0.985), ("onnx-fp32", 0.9999)):
        ours = open_runtime(runtime, info, str(folder), str(tmp_path / "working")).encode(sample_texts())
        assert (ours * reference).sum(axis=1).mean() >= least, runtime


def test_other_prefixes_are_another_model(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    plain = resolve(str(folder)).fingerprint
    shutil.copytree(folder, tmp_path / "e5-small-v2")
    assert resolve(str(tmp_path / "e5-small-v2")).fingerprint != plain


def test_shorter_vectors_of_a_matryoshka_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open_model(resolve("static"), lambda message: None)
    short = open_model(resolve("static", 64), lambda message: None)
    assert short.info.dim == 64 and not short.info.same_vectors(full.info)
    texts = ["repair the boat engine", "a recipe for apple cake"]
    np.testing.assert_allclose(short.encode(texts), unit_rows(full.encode(texts)[:, :64]), atol=1e-6)
    np.testing.assert_allclose(short.encode_query(texts[0]), short.encode([texts[0]])[0], atol=1e-6)
    assert open_recorded(short.info, lambda message: None).info == short.info
    assert is_matryoshka("nomic-ai/nomic-embed-text-v1.5") and not is_matryoshka("all-MiniLM-L6-v2")
    with pytest.raises(UsageError, match="was not trained for vectors that can be cut"):
        resolve("all-MiniLM-L6-v2", 64)
    with pytest.raises(UsageError, match="out of range"):
        resolve("static", 512)


@pytest.mark.slow
def test_an_index_of_shorter_vectors(semsearch: Command, notes: Path) -> None:
    done = semsearch("index", notes, "--model", "static", "--dim", "64", "--json")
    assert done.code == 0, done.err
    assert semsearch("status", "-i", notes, "--json").json["model"]["dim"] == 64
    assert (
        semsearch("search", "prune the roses", "-i", notes, "--mode", "dense", "-k", "1", "-l", "--min-score", "0").out
        == "notes/garden.md\n"
    )
    (notes / "new.txt").write_text("The cellar is flooded.\n")
    assert semsearch("index", "-i", notes, "--json").json["chunks"]["encoded"] == 1
    done = semsearch("index", "-i", notes, "--dim", "128")
    assert done.code == 2 and "made with another length of vectors" in done.err and "--dim 128" in done.err
    assert semsearch("index", "-i", notes, "--dim", "128", "--rebuild").code == 0
    assert semsearch("status", "-i", notes, "--json").json["model"]["dim"] == 128
    assert semsearch("index", notes, "--rebuild", "--model", "all-MiniLM-L6-v2", "--dim", "64").code == 2


CODE = """
import torch
from sentence_transformers.models import Pooling
open({ran!r}, "w").close()
class Evil(Pooling):
    pass
"""


@pytest.mark.slow
def test_code_in_a_folder_runs_only_when_it_is_trusted(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "made")
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(CODE.format(ran=str(ran)))
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))
    environment = {"SEMSEARCH_CACHE": str(tmp_path / "cache"), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = semsearch("index", notes, "--model", folder, env=environment)
    assert done.code == 2 and not ran.exists(), done.err
    assert "--trust-remote-code" in done.err
    assert semsearch("index", notes, "--trust-remote-code", env=environment).code == 2, "of which model?"


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(ModelError) as caught:
        resolve("bge-smal-en-v1.5")
    assert "bge-small-en-v1.5" in caught.value.hint
    with pytest.raises(ModelError) as caught:
        resolve("BAAI/bge-m3")
    assert "semsearch models pull bge-m3" in caught.value.hint and "MIT" in caught.value.hint
    with pytest.raises(ModelError, match="names no model"):
        resolve("openai:")


def test_recommendations_fit_what_was_asked() -> None:
    speed = Speed(0.002, 120)
    assert recommended(Requirements(), speed)[0].card.name == "all-MiniLM-L6-v2"
    for one in recommended(Requirements(multilingual=True, offline=True, commercial=True), speed):
        assert one.card.multilingual and not one.card.is_api and one.card.free_to_sell and one.reasons
    assert all((one.card.price_usd or 0) <= 0.05 for one in recommended(Requirements(budget=0.05), speed))
    assert not recommended(Requirements(multilingual=True, low_latency=True, memory_gb=0.01), speed)


def test_recommendations_follow_the_speed_of_the_machine() -> None:
    def names(query: float, passages: float, **wishes: bool) -> set[str]:
        return {one.card.name for one in recommended(Requirements(offline=True, **wishes), Speed(query, passages))}

    fast, slow = names(0.002, 120), names(0.02, 12)
    assert slow < fast and "bge-m3" in fast - slow and "all-MiniLM-L6-v2" in slow
    assert "e5-mistral-7b-instruct" not in fast
    quick, quicker = names(0.02, 120, low_latency=True), names(0.0002, 120, low_latency=True)
    assert quick < quicker and "bge-m3" in quicker - quick and "potion-retrieval-32M" in quick
    packaged = card_of("all-MiniLM-L6-v2")
    assert packaged is not None and estimated(packaged, Speed(0.002, 120)) == Speed(0.002, 120)
    for card in cards():
        assert card.is_api or 0 < card.embedding_m <= card.parameters_m, card


@pytest.mark.slow
def test_the_commands(semsearch: Command) -> None:
    done = semsearch("models", "--json")
    assert done.json["schema"] == "semsearch.models/1" and len(done.json["models"]) == len(cards())
    assert "bge-m3" in semsearch("models").out
    done = semsearch("models", "recommend", "--multilingual", "--offline", "--commercial", "--budget", "1", "--json")
    assert done.code == 0 and done.json["recommended"][0]["name"] == "bge-m3"
    assert semsearch("models", "recommend", "--low-latency", "--memory", "0.01").code == 1
    assert semsearch("models", "path", "all-MiniLM-L6-v2").out.strip().endswith("model")
    done = semsearch("models", "pull", "bge-m3")
    assert done.code == 2 and "HF_HUB_OFFLINE is set" in done.err and "BAAI/bge-m3: 2,270 MB, licence MIT" in done.err
    assert "did you mean voyage-3" in semsearch("models", "pull", "voyage-33").err
    assert semsearch("models", "pull", "voyage-3").code == 2
    assert semsearch("models", "pull", "static").code == 0
    done = semsearch("models", "verify", "static", "--json")
    assert done.json["verified"]["agreement"]["static"] > 0.999
    done = semsearch("models", "verify", "no-such-model", "--trust-remote-code")
    assert done.code == 2


@pytest.mark.slow
def test_a_model_folder_is_known_from_everywhere(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    """By whatever path it was named: cron works in another folder."""
    folder = make_model(tmp_path)
    assert semsearch("index", notes, "-i", tmp_path / "index", "--model", "model", cwd=folder.parent).code == 0
    for name, place in (("./model", folder.parent), (str(folder), notes), ("../model", notes)):
        done = semsearch("index", notes, "-i", tmp_path / "index", "--model", name, cwd=place)
        assert done.code == 0 and "up to date" in done.out, done.err
    assert semsearch("status", "-i", tmp_path / "index", "--json").json["model"]["name"] == str(folder)


@pytest.mark.slow
def test_a_model_without_its_tokenizer_is_refused(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(packaged(), folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    done = semsearch("index", notes, "-i", tmp_path / "index", "--model", folder)
    assert done.code == 2 and "the files of its tokenizer are missing" in done.err


@pytest.mark.slow
def test_a_device_that_is_not_there(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    folder = make_family(tmp_path, "fnet")
    environment = {"SEMSEARCH_CACHE": str(tmp_path / "c")}
    done = semsearch("index", notes, "--model", folder, "--device", "cuda:7", env=environment)
    told = [line for line in done.err.splitlines() if "--device cuda:7: " in line]
    assert done.code == 0 and len(told) == 1 and told[0].endswith("encoding on the processor"), done.err
    assert semsearch("index", notes, "--model", folder, "--device", "cpu", env=environment).code == 0
    folder.rename(tmp_path / "moved")
    done = semsearch("index", notes, "--rebuild", "--model", tmp_path / "moved", env=environment)
    assert done.code == 0, done.err


def test_the_table_is_read_without_torch() -> None:
    code = (
        "import sys; from semsearch.embedding import model_table; model_table.cards(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
