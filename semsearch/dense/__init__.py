"""Vectors -> FAISS indexes, opened by mapping and scanned under a bitmap."""
