"""Question + Hits -> an answer whose every sentence names the passage it comes from: extractive, or by an LLM."""
