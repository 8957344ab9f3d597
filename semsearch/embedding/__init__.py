"""Texts -> unit vectors.

`resolve` finds a model by name, `open` makes an Embedder of it, `export` prepares it for this machine once (into the
`cache`), and one of the `*_runtime` modules runs it. `model_table` lists the models known by name.
"""
