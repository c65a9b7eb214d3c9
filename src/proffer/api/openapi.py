"""The OpenAPI 3.1 description, made from the table of operations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proffer.api.operations import PUBLIC, Operation
from proffer.api.problems import MEDIA_TYPE, TITLES, Problem

TEMPLATE = "#/components/schemas/{name}"
PROBLEM: dict[str, Any] = {"$ref": TEMPLATE.format(name="Problem")}
ABOUT = """Proffer decides what to hold out to whom, says why, and learns from what happens next.

Every error is problem details (RFC 9457) with the field at fault and a remedy. A token belongs to one workspace and
carries scopes: `read` asks and looks, `write` records what happened, `admin` changes settings and which model serves.
Bodies are JSON in UTF-8, at most 4 MB; members and parameters nobody declared are refused. An `Idempotency-Key` on a
recording operation becomes the event's id: a repeated request is a duplicate and counts once."""
PATHS = {
    "workspace": "The workspace's name.",
    "kind": "An entity kind of the application.",
    "id": "The id, percent-encoded.",
    "item": "The item's id, percent-encoded.",
    "subject": "The subject's id, percent-encoded.",
    "number": "The number of the quarantined row.",
    "version": "The model version's id.",
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the description of these operations."""
    types = [
        kind for each in operations for shape in (_sent(each), each.query, each.returns) for kind in _any_of(shape)
    ]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=TEMPLATE)
    schema_of = dict(zip(map(repr, types), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Proffer",
            "version": version,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Made at first start."}},
        },
    }


def _sent(each: Operation) -> Any:
    return each.body if each.shape is None else each.shape


def _any_of(shape: Any) -> tuple[Any, ...]:
    return () if shape is None else shape if isinstance(shape, tuple) else (shape,)


def _schema(shape: Any, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    found = [schema_of[repr(kind)] for kind in _any_of(shape)]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _operation(each: Operation, schema_of: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "description": f"{(each.call.__doc__ or '').strip()}\n\nScope: {each.scope}.",
        "tags": [each.tag],
        "x-scope": each.scope,
        "security": [] if each.scope == PUBLIC else [{"token": []}],
        "responses": _responses(each, schema_of),
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", each.path)]
    if each.query is not None:
        parameters += _query_parameters(_schema(each.query, schema_of), components)
    if each.keyed:
        parameters.append(_KEY)
    if parameters:
        found["parameters"] = parameters
    if each.body is not None:
        examples = {name: {"value": value} for name, value in each.examples.items()}
        content = {"schema": _schema(_sent(each), schema_of), "examples": examples}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key counts once; an event that has no id gets it as its id.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 256}
    return {"name": name, "in": "path", "required": True, "description": PATHS[name], "schema": schema}


def _query_parameters(schema: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    struct = components[schema["$ref"].rsplit("/", 1)[1]]
    required = struct.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _not_null(member)}
        for name, member in struct["properties"].items()
    ]


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: one that may be left out cannot be sent as null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    default = {} if schema.get("default") is None else {"default": schema["default"]}
    if len(kinds) == 1:
        return {**rest, **kinds[0], **default}
    return {**dict(schema), **default} if not kinds else {**rest, "anyOf": kinds, **default}


def _responses(each: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {str(each.status): {"description": "Done."}}
    if each.returns is not None:
        content: dict[str, Any] = {"schema": _schema(each.returns, schema_of)}
        if each.answer is not None:
            content["example"] = each.answer
        found[str(each.status)]["content"] = {each.media_type: content}
    for status, reason in sorted({**_errors(each), **each.also}.items()):
        if status == 503 and each.scope == PUBLIC:
            found["503"] = {"description": reason, "content": found["200"]["content"]}
        else:
            found[str(status)] = {"description": reason, "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
    return found


def _errors(each: Operation) -> dict[int, str]:
    statuses = [400, 422]
    if each.scope != PUBLIC:
        statuses += [401, 403, 429, 503]
    if "{" in each.path:
        statuses.append(404)
    if each.body is not None:
        statuses += [408, 413, 415]
    return {status: f"{TITLES[status]}." for status in statuses} | {500: "A fault of the server, with a request_id."}
