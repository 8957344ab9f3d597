"""Texts -> unit vectors: which model (`models`), prepared once (`prepare`), run by one of the `*_runtime` modules."""
