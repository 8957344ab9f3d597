"""Lexical search: text to terms (`analyzer`, `language`), terms to postings (`postings`), BM25 scores (`bm25`)."""
