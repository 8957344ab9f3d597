"""Which files there are (`walk`, `ignore`) and how each type becomes a Document (`registry`, `readers`)."""
