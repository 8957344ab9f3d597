"""Tuning on the user's own documents: what is learnt from questions with known answers."""
