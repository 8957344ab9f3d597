"""Learns from questions with known answers to search one index better.

`tune_adapter` learns a map of query vectors, `tune_model` trains the embedding model itself; both judge what they
learnt by questions that it was not learnt from (`comparison`).
"""
