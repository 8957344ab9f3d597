"""Query -> Hits: filters, candidates of both legs, fusion, snippets."""
