"""Small random models, built on the spot: real architectures, no download."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from torch import Tensor
    from transformers import BertTokenizerFast

WORDS = ("the", "a", "pump", "valve", "water", "tide", "house", "old", "runs", "stops", "and", "in", "of")
TOPICS = ("pump", "valve", "water", "tide", "house", "old", "runs", "stops")


def make_model(folder: Path, *, pooling: str = "mean", prompts: dict[str, str] | None = None, dim: int = 48) -> Path:
    """A sentence-transformers model folder with a random two-layer BERT and a small WordPiece vocabulary."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(_bert(folder, dim)), max_seq_length=64)
    model = SentenceTransformer(
        modules=[transformer, models.Pooling(dim, pooling_mode=pooling)], prompts=prompts or {}, device="cpu"
    )
    final = folder / "model"
    model.save(str(final))
    return final


def make_model_with_head(folder: Path) -> Path:
    """A model of such a BERT whose pooled vectors go through two layers more, as those of embeddinggemma."""
    import torch
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(_bert(folder, 48)), max_seq_length=64)
    head = [models.Dense(48, 96), models.Dense(96, 64, activation_function=torch.nn.Identity()), models.Normalize()]
    model = SentenceTransformer(modules=[transformer, models.Pooling(48), *head], device="cpu")
    final = folder / "model"
    model.save(str(final))
    return final


def make_static_model(folder: Path) -> Path:
    """A model of one random vector for each token, as those of model2vec."""
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.manual_seed(7)
    _, tokenizer = _base(folder)
    vectors = models.StaticEmbedding(tokenizer.backend_tokenizer, embedding_dim=32)
    final = folder / "model"
    SentenceTransformer(modules=[vectors, models.Normalize()], device="cpu").save(str(final))
    return final


def _bert(folder: Path, dim: int, extra: tuple[str, ...] = (), spread: float = 0.02) -> Path:
    """The folder of a random two-layer BERT, which knows the `extra` words, too. `spread`: of its weights."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    base, tokenizer = _base(folder, extra)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=dim, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=64, initializer_range=spread,
    )  # fmt: skip
    BertModel(config).eval().save_pretrained(base)
    return base


def make_cross_encoder(folder: Path, steps: int = 700) -> Path:
    """A CrossEncoder folder with a two-layer BERT, trained here to tell whether the passage holds the query's word."""
    import random

    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    base, tokenizer = _base(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64, num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.15,  # with the usual 0.02 so small a model stays at chance for thousands of steps

    )  # fmt: skip
    model = BertForSequenceClassification(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    chance = random.Random(7)
    for _ in range(steps):
        pairs = [word_pair(chance) for _ in range(64)]
        texts = tokenizer([pair[0] for pair in pairs], [pair[1] for pair in pairs], padding=True, return_tensors="pt")
        wanted = torch.tensor([float(pair[2]) for pair in pairs])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**texts).logits[:, 0], wanted)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval().save_pretrained(base)
    final = folder / "cross-encoder"
    CrossEncoder(str(base), max_length=64, device="cpu").save_pretrained(str(final))
    return final


def word_pair(chance: "random.Random") -> tuple[str, str, bool]:
    """(query, passage, whether the passage holds the query's word), half of them true."""
    words = chance.sample(TOPICS, 5)
    held = chance.random() < 0.5
    return chance.choice(words[:4]) if held else words[4], " the ".join(words[:4]), held


def _base(folder: Path, extra: tuple[str, ...] = ()) -> "tuple[Path, BertTokenizerFast]":
    """A folder with a small WordPiece tokenizer."""
    from transformers import BertTokenizerFast

    letters = [chr(code) for code in range(97, 123)]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *("##" + letter for letter in letters),
    ]
    vocabulary += list("0123456789.,:;!?-_'\"()") + ["##" + digit for digit in "0123456789"]
    vocabulary += extra
    vocabulary = list(dict.fromkeys(vocabulary))
    base = folder / "base"
    base.mkdir(parents=True)
    (base / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    # transformers 5 takes a dictionary and passes over a vocab_file without a word.
    numbered = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = BertTokenizerFast(vocab=numbered, model_max_length=64)
    assert tokenizer.tokenize("pump") == ["pump"]
    tokenizer.save_pretrained(base)
    return base, tokenizer


def make_family(folder: Path, family: str, pooling: str = "mean") -> Path:
    """A sentence-transformers folder with a random two-layer model of one of transformers' families, or of model2vec's
    vectors of tokens."""
    if family == "model2vec":
        return make_static_model(folder)
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(7)
    base, tokenizer = _base(folder)
    sizes: dict[str, int] = {"vocab_size": len(tokenizer), "max_position_embeddings": 70}
    if family == "distilbert":
        sizes |= {"dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 96}
    else:
        sizes |= {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    if family in ("mistral", "qwen2", "qwen3", "gemma3_text"):
        sizes |= {"num_key_value_heads": 2}
    if family in ("qwen3", "gemma3_text"):
        sizes |= {"head_dim": 12}
    if family in ("xlm-roberta", "modernbert"):
        sizes |= {"pad_token_id": 0}
    AutoModel.from_config(AutoConfig.for_model(family, **sizes)).eval().save_pretrained(base)
    transformer = models.Transformer(str(base), max_seq_length=64)
    model = SentenceTransformer(modules=[transformer, models.Pooling(48, pooling_mode=pooling)], device="cpu")
    final = folder / "model"
    model.save(str(final))
    return final


LATE_LAYOUTS = ("native", "native, min", "native, modernbert", "pylate", "stanford", "bge-m3")


def make_late_interaction(folder: Path, layout: str, dim: int = 16) -> Path:
    """A late interaction model folder in one of `LATE_LAYOUTS`: a random encoder of two layers, and a random head to
    `dim` numbers."""
    import json
    import string

    import torch

    if layout == "bge-m3":
        final = make_family(folder, "xlm-roberta", pooling="cls")
        torch.manual_seed(8)
        head = torch.nn.Linear(48, dim)
        torch.save(head.state_dict(), final / "colbert_linear.pt")
        return final
    # Of so large weights that a token depends on those around it.
    if "modernbert" in layout:
        make_family(folder, "modernbert")
        base = folder / "base"
    else:
        base = _bert(folder, 48, ("[unused0]", "[unused1]") if layout == "stanford" else (), spread=0.2)
    torch.manual_seed(8)
    weight = torch.nn.Linear(48, dim, bias=False).weight.detach()
    if layout == "stanford":
        return _stanford(folder, base, weight)
    if layout == "pylate":
        return _pylate(folder, base, weight)
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    expansion = {"strategy": "min" if "min" in layout else "fixed", "attend": "min" in layout, "length": 12}
    dense = Dense(48, dim, False, torch.nn.Identity(), weight, module_input_name="token_embeddings")
    model = MultiVectorEncoder(
        modules=[
            Transformer(str(base), max_seq_length=64, document_length=40, query_expansion=expansion),
            dense,
            MultiVectorMask(list(string.punctuation)),
            Normalize(module_input_name="token_embeddings"),
        ],
        device="cpu",
    )
    final = folder / "late"
    model.save_pretrained(str(final))
    assert json.loads((final / "config_sentence_transformers.json").read_text())["model_type"] == "MultiVectorEncoder"
    return final


def _pylate(folder: Path, base: Path, weight: "Tensor") -> Path:
    """A folder as PyLate writes it."""
    import json
    import shutil

    from safetensors.torch import save_file
    from transformers import AutoModel, AutoTokenizer

    final = folder / "late"
    shutil.copytree(base, final)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["[Q] ", "[D] "])
    tokenizer.save_pretrained(final)
    model = AutoModel.from_pretrained(base)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(final)
    (final / "1_Dense").mkdir()
    save_file({"linear.weight": weight}, final / "1_Dense" / "model.safetensors")
    dense = {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": False}
    dense["activation_function"] = "torch.nn.modules.linear.Identity"
    (final / "1_Dense" / "config.json").write_text(json.dumps(dense))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (final / "modules.json").write_text(json.dumps(modules))
    (final / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 40, "do_lower_case": False}))
    described = {
        "model_type": "ColBERT", "similarity_fn_name": "MaxSim", "query_prefix": "[Q] ", "document_prefix": "[D] ",
        "query_length": 12, "document_length": 40, "attend_to_expansion_tokens": False, "skiplist_words": ["!", "."],
        "do_query_expansion": True, "prompts": {}, "default_prompt_name": None,
    }  # fmt: skip
    (final / "config_sentence_transformers.json").write_text(json.dumps(described))
    return final


def _stanford(folder: Path, base: Path, weight: "Tensor") -> Path:
    """A folder as ColBERT's own library writes it, the head among the weights."""
    import json
    import shutil

    from safetensors.torch import load_file, save_file

    final = folder / "late"
    shutil.copytree(base, final)
    weights = {f"bert.{name}": value for name, value in load_file(base / "model.safetensors").items()}
    save_file({**weights, "linear.weight": weight}, final / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    (final / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}))
    metadata = {"query_maxlen": 12, "doc_maxlen": 40, "query_token_id": "[unused0]", "doc_token_id": "[unused1]"}
    (final / "artifact.metadata").write_text(json.dumps({**metadata, "dim": weight.shape[0], "mask_punctuation": True}))
    return final
