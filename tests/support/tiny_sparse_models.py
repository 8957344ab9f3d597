"""Small random models of learned sparse vectors, built on the spot."""

from pathlib import Path
from typing import Any

from tests.support.tiny_models import _base, make_family

VOCABULARY_SPREAD = 0.5


def make_splade(folder: Path, *, activation: str = "relu", pooling: str = "max") -> Path:
    """A SparseEncoder folder: a random BERT with a head for masked words, pooled as SPLADE does."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    transformer, _ = _masked(folder)
    final = folder / "splade"
    modules = [transformer, SpladePooling(pooling, activation_function=activation)]
    SparseEncoder(modules=modules, device="cpu").save(str(final))
    return final


def make_inference_free(folder: Path) -> Path:
    """A SparseEncoder folder whose queries are weights of their tokens alone, as OpenSearch's models."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import Router, SparseStaticEmbedding, SpladePooling

    transformer, tokenizer = _masked(folder)
    weights = torch.rand(len(tokenizer)) + 0.1
    router = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(tokenizer, weight=weights)],
        document_modules=[transformer, SpladePooling("max", activation_function="log1p_relu")],
    )
    final = folder / "inference-free"
    SparseEncoder(modules=[router], device="cpu").save(str(final))
    return final


def make_two_sided(folder: Path) -> Path:
    """A SparseEncoder folder with one model for queries and another one for passages."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import Router, SpladePooling

    ours, theirs = _masked(folder / "q", seed=8)[0], _masked(folder / "d")[0]
    router = Router.for_query_document(
        query_modules=[ours, SpladePooling("max")], document_modules=[theirs, SpladePooling("max")]
    )
    final = folder / "two-sided"
    SparseEncoder(modules=[router], device="cpu").save(str(final))
    return final


def make_bge_m3(folder: Path, hidden: int = 48) -> Path:
    """A random XLM-R with a head for weights of tokens, of vectors of `hidden` numbers, beside it, as BGE-M3 has it."""
    import torch

    model = make_family(folder, "xlm-roberta", "cls")
    torch.manual_seed(9)
    head = torch.nn.Linear(hidden, 1)
    torch.nn.init.normal_(head.weight, std=0.5)
    torch.save(head.state_dict(), model / "sparse_linear.pt")
    return model


def _masked(folder: Path, seed: int = 7) -> tuple[Any, Any]:
    """(the module, the tokenizer) of a random BERT with a head for masked words."""
    import torch
    from sentence_transformers.sparse_encoder.modules import Transformer
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(seed)
    base, tokenizer = _base(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=64, initializer_range=VOCABULARY_SPREAD,
    )  # fmt: skip
    model = BertForMaskedLM(config).eval()
    # As a trained one, it gives a few tokens of the vocabulary a weight.
    torch.nn.init.constant_(model.cls.predictions.bias, -3.0)
    model.save_pretrained(base)
    return Transformer(str(base), transformer_task="fill-mask", max_seq_length=64), tokenizer
