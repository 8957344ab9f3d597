"""Small random models, built on the spot: real architectures, no download."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

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


def _bert(folder: Path, dim: int) -> Path:
    """The folder of a random two-layer BERT."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    base, tokenizer = _base(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=dim, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=64,
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


def _base(folder: Path) -> "tuple[Path, BertTokenizerFast]":
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
