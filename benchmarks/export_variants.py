"""Compares the two ONNX exporters of PyTorch, and ways to run the exported model.

    python -m benchmarks.export_variants

Prints for each exporter the seconds it takes, and for each way to run its int8 model the texts a second and the mean
cosine with the vectors of sentence-transformers. These figures decided for the exporter of TorchScript, for running
one text at a time, and against ONNX Runtime's fusion of sums with their normalisation.
"""

import os
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.timing import turn_caches_off
from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.export.onnx_model import UNUSED_OPTIMIZERS, quantise
from semsearch.embedding.export.transformer import export_vectors
from semsearch.embedding.resolve import resolve

warnings.filterwarnings("ignore")


def export_dynamo(model: Any, path: str) -> None:
    """Exports `model`, a SentenceTransformer, to `path` with the newer exporter."""
    import torch

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(model)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for part in self.parts:
                features = part(features)
            return features["sentence_embedding"]

    example = torch.ones(2, 16, dtype=torch.int64)
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        Vectors().eval(),
        (example, example),
        path,
        input_names=["input_ids", "attention_mask"],
        output_names=["vector"],
        dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def run(session: Any, ids: list[list[int]], batch: int, workers: int) -> np.ndarray:
    """(n, 384) float32 unit rows for the token `ids` of each text."""
    order = sorted(range(len(ids)), key=lambda number: -len(ids[number]))
    vectors = np.empty((len(ids), 384), np.float32)

    def one(part: list[int]) -> None:
        width = max(len(ids[number]) for number in part)
        tokens, mask = np.zeros((len(part), width), np.int64), np.zeros((len(part), width), np.int64)
        for row, number in enumerate(part):
            tokens[row, : len(ids[number])] = ids[number]
            mask[row, : len(ids[number])] = 1
        vectors[part] = session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, [order[start : start + batch] for start in range(0, len(order), batch)]))
    return unit_rows(vectors)


def main() -> None:
    turn_caches_off()
    import onnxruntime
    from sentence_transformers import SentenceTransformer

    source = resolve("all-MiniLM-L6-v2")
    model = SentenceTransformer(source.folder, device="cpu", model_kwargs={"attn_implementation": "eager"})
    texts = [text * 8 for text in sample_texts()]
    reference = unit_rows(model.encode(texts, show_progress_bar=False))
    tokenizer = SubwordTokenizer("all-MiniLM-L6-v2", str(source.tokenizer_path()))
    ids = [tokenizer.ids(text, 256).tolist() for text in texts]
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        for name, export in (("TorchScript", export_vectors), ("dynamo", export_dynamo)):
            plain, quantised = os.path.join(folder, name), os.path.join(folder, name + "-int8")
            start = time.perf_counter()
            export(model, plain)
            print(f"{name}: exported in {time.perf_counter() - start:.1f} s")
            quantise(plain, quantised)
            ways = ((cores, 1, 8, ()), (1, cores, 8, ()), (1, cores, 1, ()), (1, cores, 1, UNUSED_OPTIMIZERS))
            for threads, workers, batch, unused in ways:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = threads
                options.log_severity_level = 4
                session = onnxruntime.InferenceSession(
                    quantised, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(unused)
                )
                run(session, ids[:8], batch, workers)
                start = time.perf_counter()
                vectors = run(session, ids, batch, workers)
                rate = len(ids) / (time.perf_counter() - start)
                cosine = float((vectors * reference).sum(axis=1).mean())
                less = f", without {' '.join(unused)}" if unused else ""
                print(f"  {workers} x {threads} threads, batch {batch}: {rate:6.1f} texts/s, cosine {cosine:.4f}{less}")


if __name__ == "__main__":
    main()
