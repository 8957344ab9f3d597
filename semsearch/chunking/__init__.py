"""Splits documents into chunks, and the tokenizers that measure these."""
