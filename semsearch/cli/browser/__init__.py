"""What `browse` shows in a terminal, with textual, which is imported here alone."""
