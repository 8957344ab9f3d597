"""Text -> terms (`analyzer`, `language`) -> postings (`postings`) -> BM25 scores (`bm25`)."""
