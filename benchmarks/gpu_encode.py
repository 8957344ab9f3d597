"""Passages a second of the prepared model on the processor and of the same model on a GPU, and how far both agree.

python -m benchmarks.gpu_encode INDEX [--device cuda] [--model NAME] [--chunks 2048] [--rounds 3]

`--device cpu` is a rehearsal: PyTorch in single precision, in the process that a GPU would have.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.encode_speed import texts_of
from benchmarks.timing import turn_caches_off
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.gpu_embedder import GpuError, GpuProcess, least_agreement
from semsearch.embedding.gpu_process import GpuJob
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path, help="whose passages are encoded; its model does not matter")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--chunks", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    source = resolve(chosen.model)
    prepared = open_model(source, print)
    texts = texts_of(chosen.index, chosen.chunks)
    prefixed = [prepared.info.passage_prefix + text for text in texts]
    began = time.perf_counter()
    try:
        process = GpuProcess(GpuJob(source.name, source.folder, source.trust, chosen.device, prepared.info.window))
        ready = time.perf_counter() - began
        prepared.encode(texts[:16])
        process.encode(prefixed)  # allocates, and compiles what is compiled
        rates: dict[str, list[float]] = {"processor": [], "device": []}
        for _ in range(chosen.rounds):
            began = time.perf_counter()
            ours = prepared.encode(texts)
            rates["processor"].append(len(texts) / (time.perf_counter() - began))
            began = time.perf_counter()
            reply = process.encode(prefixed)
            rates["device"].append(len(reply.places) / (time.perf_counter() - began))
    except GpuError as error:
        sys.exit(f"no table: {error}")
    cosines = (unit_rows(reply.vectors) * ours[reply.places]).sum(axis=1)
    base, rate = (statistics.median(values) for values in rates.values())
    names = {prepared.info.runtime + " on the processor": base, f"{reply.precision} on {process.shown}": rate}
    print(f"{source.name}, {len(texts):,} passages, {chosen.rounds} rounds; the device was ready after {ready:.1f} s")
    for name, value in names.items():
        print(f"{name:<46} {value:>9.1f} chunks/s  {value / base:.2f} x")
    least = least_agreement(prepared.info.runtime)
    print(f"cosine of both: mean {np.mean(cosines):.5f} (least {least}), least of a passage {np.min(cosines):.5f}")
    left = len(texts) - len(reply.places)
    print(f"memory of the device: {reply.bytes / 1e6:,.0f} MB at most; {left} passages did not fit into it")


if __name__ == "__main__":
    main()
