"""Looking after an index: its status, why a file is found or not, verification and repair, quantization."""
