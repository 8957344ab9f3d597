"""Reads, chunks and analyses files (`analysis`) in processes with a time and a memory limit (`pool`, `worker`)."""
