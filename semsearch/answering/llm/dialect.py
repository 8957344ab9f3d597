"""What a chat server takes of a request: parameters and roles that it refuses are left out, or go by another name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

Message = dict[str, str]

# Of an error's body, this is looked at.
_LOOKED_AT = 10_000
_TOLD_FIELDS = ("error", "message", "msg", "detail", "details", "errors", "param", "loc", "code", "type", "title")
_SYSTEM = re.compile(
    r"\bsystem\b.{0,40}\b(?:role|message|prompt|instruction)s?\b|\b(?:role|message|instruction)s?\b.{0,60}\bsystem\b"
    r"|developer instruction|only user and assistant roles|roles must alternate|first message .{0,40}\buser\b",
    re.IGNORECASE | re.DOTALL,
)
_POSITIVE = re.compile(r"strictly positive|greater than 0|> ?0|must be positive|larger than 0", re.IGNORECASE)
# The smallest that servers take which refuse zero.
_LEAST_TEMPERATURE = 0.01


@dataclass(frozen=True)
class Dialect:
    """What one model of one server takes.

    `limits`: names of the parameter that bounds the answer, of which the first is sent and the others were not refused
    yet; `temperature`: None where it takes none; `system`: it knows that role, else its text goes before the user's;
    `stream`, `stream_options`: it takes these.
    """

    limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    temperature: float | None = 0.0
    system: bool = True
    stream: bool = True
    stream_options: bool = True

    def request(self, messages: Sequence[Message], answer_tokens: int | None) -> dict[str, Any]:
        """The arguments of the request for a reply to `messages` of at most `answer_tokens`; None: no limit."""
        options: dict[str, Any] = {"messages": list(messages if self.system else _without_system(messages))}
        if self.temperature is not None:
            options["temperature"] = self.temperature
        if self.limits and answer_tokens is not None:
            options[self.limits[0]] = answer_tokens
        options["stream"] = self.stream
        if self.stream and self.stream_options:
            options["stream_options"] = {"include_usage": True}  # else a stream does not tell how much was read
        return options

    def after_refusal(self, status: int, body: object) -> "Dialect | None":
        """What to try after the server refused a request with `status` and `body`; None: it refused something else."""
        told = told_in(body)
        if status == 500 and not (_SYSTEM.search(told) and self.system):
            return None  # templates of llama.cpp raise for a role; any other failure has its own reasons
        if status not in (400, 404, 422, 500, 501):
            return None
        if self.stream and self.stream_options and "stream_options" in told:
            return replace(self, stream_options=False)
        if self.temperature is not None and "temperature" in told:
            positive = self.temperature == 0 and _POSITIVE.search(told)
            return replace(self, temperature=_LEAST_TEMPERATURE if positive else None)
        if self.limits and self.limits[0] in told:
            return replace(self, limits=self.limits[1:])
        if self.stream and re.search(r"\bstream(?:ing|ed)?\b", told, re.IGNORECASE):
            return replace(self, stream=False)
        if self.system and _SYSTEM.search(told):
            return replace(self, system=False)
        if status in (400, 422) and self.stream and self.stream_options and not re.search(r"[^\W\d]{3}", told):
            return replace(self, stream_options=False)  # it does not say what; of all that is sent, this is newest
        return None


def told_in(body: object) -> str:
    """What an error body says and names, without the request that some servers put into it."""
    parts: list[str] = []

    def collect(value: object, depth: int) -> None:
        if isinstance(value, str):
            parts.append(value[:_LOOKED_AT])
        elif isinstance(value, dict) and depth < 6:
            for name in _TOLD_FIELDS:
                collect(value.get(name), depth + 1)
        elif isinstance(value, list) and depth < 6:
            for item in value[:50]:
                collect(item, depth + 1)

    collect(body, 0)
    return " ".join(parts)[:_LOOKED_AT]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """`messages` with what the system says at the head of what the user says first."""
    said = [message["content"] for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    if not rest or not said:
        return [{**message, "role": "user"} for message in messages]
    first = {**rest[0], "content": "\n\n".join([*said, rest[0]["content"]])}
    return [first, *rest[1:]]
