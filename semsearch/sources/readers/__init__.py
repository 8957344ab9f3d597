"""One module per document type; `sources.registry` is the only list of them."""
