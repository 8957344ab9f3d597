"""Seconds and chunks of the splitter beside semantic-text-splitter, with the same tokenizer and size.

    python -m benchmarks.chunking_speed FOLDER

Reads the .md files below FOLDER. Needs `pip install semantic-text-splitter`.
"""

import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from benchmarks.timing import turn_caches_off
from semsearch.chunking.splitter import ChunkRules, split
from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.resolve import resolve
from semsearch.sources.document_types import read


def main() -> None:
    try:
        from semantic_text_splitter import MarkdownSplitter
    except ImportError:
        sys.exit("chunking_speed compares with semantic-text-splitter: pip install semantic-text-splitter")
    turn_caches_off()
    files = sorted(Path(sys.argv[1]).rglob("*.md"))
    path = str(resolve("all-MiniLM-L6-v2").tokenizer_path())
    documents = [read(str(file), file.read_bytes()) for file in files]
    tokenizer = SubwordTokenizer("all-MiniLM-L6-v2", path)
    rules = ChunkRules(254, 0, tokenizer, 254, tokenizer)
    start = time.perf_counter()
    ours = sum(len(split(document, rules)) for document in documents)
    middle = time.perf_counter()
    backend = Tokenizer.from_file(path)
    backend.no_padding()
    backend.no_truncation()
    splitter = MarkdownSplitter.from_huggingface_tokenizer(backend, 254)
    theirs = sum(len(splitter.chunks(document.text)) for document in documents)
    end = time.perf_counter()
    print(f"semsearch               {middle - start:6.2f} s  {ours} chunks")
    print(f"semantic-text-splitter  {end - middle:6.2f} s  {theirs} chunks  {(end - middle) / (middle - start):.1f} x")


if __name__ == "__main__":
    main()
