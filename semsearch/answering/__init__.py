"""Answers questions from retrieved passages, with citations.

`pipeline` is the way in. `extractive` quotes sentences; `generative` lets a chat model write (`llm`), from the messages
that `prompt` builds, and checks what it cites (`citations`, `groundedness`). `conversation` says what a follow-up
means, `question_log` remembers what was asked, `expansion` says a query in other words.
"""
