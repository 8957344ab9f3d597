"""Answers of a service as JSON over HTTP, errors among them: the same objects as the command line prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from semsearch.errors import SemsearchError

if TYPE_CHECKING:
    from starlette.responses import Response

ERROR_SCHEMA = "semsearch.error/1"
# Error code -> HTTP status; another error is one of the service.
_STATUS = {
    "usage": 400,
    "unauthorized": 401,
    "wrong_origin": 403,
    "unknown_file": 404,
    "not_found": 404,
    "wrong_method": 405,
    "too_slow": 408,
    "too_large": 413,
    "wrong_host": 421,
    "llm": 502,
    "busy": 503,
    "locked": 503,
    "no_index": 503,
}
_RETRY_SECONDS = "1"
# For everything but the page: nothing of it is a document that a browser shows.
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def as_json(record: Mapping[str, Any]) -> bytes:
    """`record` in UTF-8. Bytes of names that are not UTF-8 (`os.fsdecode`) become escapes, as on the command line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def json_response(record: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The response that is `record`."""
    from starlette.responses import Response

    return Response(as_json(record), status, {**_HEADERS, **(headers or {})}, "application/json")


def event_headers() -> dict[str, str]:
    """The headers of a stream of events."""
    return {**_HEADERS, "x-accel-buffering": "no"}  # a proxy that collects them would hold them back


def error_dict(error: BaseException) -> dict[str, Any]:
    """The `semsearch.error/1` object of `error`; of a defect it tells no more than that it is one."""
    told = as_told(error)
    body = {"code": told.code, "message": told.message, "hint": told.hint}
    return {"schema": ERROR_SCHEMA, "error": body}


def as_told(error: BaseException) -> SemsearchError:
    """`error` as it is told to a client."""
    if isinstance(error, SemsearchError):
        return error
    from semsearch.shortage import as_told as told_of_system
    from semsearch.shortage import shortage_of

    if (shortage := shortage_of(error)) is not None:
        return shortage
    if isinstance(error, OSError):
        return told_of_system(error)
    return SemsearchError(
        f"unexpected {type(error).__name__}", "this is a defect in semsearch; its log says more", code="internal"
    )


def error_response(error: BaseException, status: int | None = None) -> Response:
    """The response that tells `error`."""
    from semsearch.errors import ParameterError, UsageError

    told = as_told(error)
    is_usage = isinstance(told, ParameterError) or type(told) is UsageError
    code = 400 if is_usage else _STATUS.get(told.code, 500)
    headers = {"retry-after": _RETRY_SECONDS} if told.code == "busy" else {}
    if told.code in ("too_slow", "too_large"):
        headers["connection"] = "close"  # the rest of the request is not read
    if told.code == "unauthorized":
        headers["www-authenticate"] = 'Bearer realm="semsearch"'
    return json_response(error_dict(told), status or code, headers)
