"""The readers: each module reads some document types; `sources.document_types` says which."""
