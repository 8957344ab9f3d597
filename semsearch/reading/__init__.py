"""Files -> chunks and terms, in reader processes with a time and a memory limit (`pool`, `worker`, `prepare`)."""
