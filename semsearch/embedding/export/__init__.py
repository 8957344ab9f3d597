"""Prepares a model for this machine, once, in a process of its own: `python -m semsearch.embedding.export`.

A transformer (`transformer`) or cross-encoder (`cross_encoder_export`) is exported to ONNX and quantised, and used so
only where it agrees with sentence-transformers (`agreement`); `static` distils the packaged model.
"""
