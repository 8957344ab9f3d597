"""Dense vectors: compressed and written as FAISS indexes, mapped into memory, searched with a bitmap as the filter."""
