"""Small random models, built on the spot: real architectures, no download."""

from pathlib import Path

WORDS = ("the", "a", "pump", "valve", "water", "tide", "house", "old", "runs", "stops", "and", "in", "of")


def make_model(folder: Path, *, pooling: str = "mean", prompts: dict[str, str] | None = None, dim: int = 48) -> Path:
    """A sentence-transformers model folder with a random two-layer BERT and a small WordPiece vocabulary."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(7)
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
    tokenizer = BertTokenizerFast(vocab_file=str(base / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(base)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=dim, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).eval().save_pretrained(base)
    transformer = models.Transformer(str(base), max_seq_length=64)
    model = SentenceTransformer(
        modules=[transformer, models.Pooling(dim, pooling_mode=pooling)], prompts=prompts or {}, device="cpu"
    )
    final = folder / "model"
    model.save(str(final))
    return final
