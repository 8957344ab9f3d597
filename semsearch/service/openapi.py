"""The OpenAPI description of the service, made of the table that checks its requests (`parameters`)."""

from typing import Any

from semsearch import __version__
from semsearch.service.parameters import ASK, OPERATIONS, Operation, Parameter

_ERRORS = {
    "400": "A parameter makes no sense.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site.",
    "404": "There is no such file in the index.",
    "413": "The request is too large.",
    "421": "The request is for another host.",
    "503": "The service has too much to do (see Retry-After), or the index is gone.",
}
_ANSWERS = {
    "search": "semsearch.search/1",
    "ask": "semsearch.ask/1",
    "passage": "semsearch.show/1",
    "files": "semsearch.files/1",
    "status": "semsearch.service/1",
}


def description() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Any] = {f"/{one.name}": _path(one) for one in OPERATIONS}
    paths["/health"] = {
        "get": {
            "operationId": "health",
            "summary": "Whether the service answers; needs no token.",
            "security": [],
            "responses": {"200": _answer("It does.")},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "semsearch",
            "version": __version__,
            "description": "Searches indexed documents. Objects have a schema member, as on the command line.",
        },
        "paths": paths,
        "security": [{}, {"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _error_schema()},
        },
    }


def _path(operation: Operation) -> dict[str, Any]:
    answer = _answer(f"An object {_ANSWERS[operation.name]}, with notices for people.")
    if operation is ASK:
        answer["content"]["text/event-stream"] = {
            "schema": {"type": "string", "description": "With llm: events notice, text, error and, last, answer."}
        }
    responses = {"200": answer, **{status: _error(meaning) for status, meaning in _ERRORS.items()}}
    get = {
        "operationId": operation.name,
        "summary": operation.help,
        "parameters": [_parameter(one) for one in operation.parameters],
        "responses": responses,
    }
    if not operation.parameters:
        return {"get": get}
    post = {
        "operationId": f"{operation.name}Post",
        "summary": operation.help,
        "requestBody": {"required": True, "content": {"application/json": {"schema": operation.schema()}}},
        "responses": responses,
    }
    return {"get": get, "post": post}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.schema()
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": schema.pop("description"),
        "schema": schema,
    }


def _answer(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": {"type": "object"}}}}


def _error(meaning: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "schema": {"const": "semsearch.error/1"},
            "error": {
                "type": "object",
                "properties": {"code": text, "message": text, "hint": text},
                "required": ["code", "message", "hint"],
            },
        },
        "required": ["schema", "error"],
    }
