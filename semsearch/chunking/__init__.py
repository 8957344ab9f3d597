"""Document -> Chunks, and the tokenizers that measure them."""
