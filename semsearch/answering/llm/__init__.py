"""Asks a chat model behind an OpenAI-compatible server. Knows nothing of passages, citations or answers."""

from semsearch.answering.llm.client import LlmSettings, chat
from semsearch.answering.llm.errors import LlmError, NoReplyError

__all__ = ["LlmError", "LlmSettings", "NoReplyError", "chat"]
