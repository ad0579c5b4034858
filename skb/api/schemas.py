"""JSON Schema of facts and of declared queries, and the OpenAPI document that has them.

The vocabulary's declarations are the only source: what a write is checked against is what the schemas say.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI

from skb.rules.queries import DeclaredQuery
from skb.vocabulary import ADDR, Declaration, Vocabulary, describe

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def of_type(type_: Any) -> Schema:
    """Give the schema of a declared type, in the JSON form of terms."""
    match type_:
        case "integer":
            return {"type": "integer"}
        case "flag":
            return {"type": "integer", "enum": [0, 1]}
        case "atom" | "text":
            return {"type": "string"}
        case "number":
            return {"type": "number"}
        case "any":
            return {}
        case "addr":
            part = {"type": "integer", "minimum": 0}
            return _compound("addr", [{**part, "title": name} for name in ADDR]) | {"description": describe(type_)}
        case {"f": "oneof", "args": [names]}:
            return {"type": "string", "enum": names}
        case {"f": "or", "args": [one, other]}:
            return {"anyOf": [of_type(one), of_type(other)]}
        case {"f": "list", "args": [element]}:
            return {"type": "array", "items": of_type(element)}
        case {"f": "pair", "args": [one, other]}:
            return _compound("-", [of_type(one), of_type(other)])
        case _:
            return {"type": "integer", "minimum": 0}


def row(declaration: Declaration) -> Schema:
    """Give the schema of a row of a fact: an object by field name."""
    return {
        "title": declaration.name,
        "description": declaration.doc,
        "type": "object",
        "properties": {field.name: {"description": field.words, **of_type(field.type)} for field in declaration.fields},
        "required": [field.name for field in declaration.fields],
        "additionalProperties": False,
        "x-key": list(declaration.key),
        "x-source": declaration.source,
    }


def fact(declaration: Declaration) -> Schema:
    """Give the schema of a fact as it is written: its name and its arguments in order."""
    return {
        "title": declaration.signature,
        "description": declaration.doc,
        "type": "object",
        "properties": {
            "name": {"const": declaration.name},
            "args": _tuple([{"title": field.name, **of_type(field.type)} for field in declaration.fields]),
        },
        "required": ["name", "args"],
        "additionalProperties": False,
    }


def document(app: FastAPI, vocabulary: Vocabulary, queries: Mapping[str, DeclaredQuery]) -> Schema:
    """Give the OpenAPI document, with what is declared today."""
    found: Schema = copy.deepcopy(app.openapi())
    schemas = found["components"]["schemas"]
    for declaration in vocabulary:
        schemas[f"row.{declaration.name}"] = row(declaration)
        schemas[f"fact.{declaration.name}"] = fact(declaration)
    found["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `skb token create`, where the service wants one. Scopes: read, query, write, author, admin.",
        }
    }
    found["security"] = [{}, {"token": []}]
    ask = found["paths"]["/v1/queries/{name}"]["post"]
    for query in queries.values():
        schemas[f"ask.{query.name}"] = _asked(query, schemas["Ask"])
        schemas[f"answer.{query.name}"] = _answered(query, schemas["Answer"])
        found["paths"][f"/v1/queries/{query.name}"] = {"post": _operation(query, ask)}
    return found


def _operation(query: DeclaredQuery, general: Schema) -> Schema:
    found = copy.deepcopy(general)
    found["summary"] = query.signature
    found["description"] = query.doc
    found["operationId"] = f"ask_{query.name}"
    found["parameters"] = [each for each in found.get("parameters", []) if each["name"] != "name"]
    found["requestBody"]["content"]["application/json"]["schema"] = {"$ref": f"#/components/schemas/ask.{query.name}"}
    found["responses"]["200"]["content"]["application/json"]["schema"] = {
        "$ref": f"#/components/schemas/answer.{query.name}"
    }
    return found


def _asked(query: DeclaredQuery, general: Schema) -> Schema:
    found = copy.deepcopy(general)
    given = [parameter for parameter in query.parameters if parameter.mode != "out"]
    required = [each.name for each in given if each.mode == "in" and each.name not in query.defaults]
    found["title"] = query.signature
    found.pop("examples", None)
    found["properties"]["params"] = {
        "type": "object",
        "properties": {each.name: {"description": each.words, **_widened(_takes(each.type))} for each in given},
        "required": required,
        "additionalProperties": False,
    }
    if required:
        found["required"] = [*found.get("required", []), "params"]
    return found


def _takes(type_: Any) -> Schema:
    """What a parameter takes is what its type says, and PCI addresses as people write them."""
    schema = of_type(type_)
    if type_ == "addr":
        spelt = {"type": "string", "pattern": "^[0-9a-f]{1,4}:[0-9a-f]{1,2}:[0-9a-f]{1,2}[.][0-7]$"}
        return {"anyOf": [schema, spelt]}
    if isinstance(type_, dict) and type_["f"] == "list":
        return {"type": "array", "items": _takes(type_["args"][0])}
    return schema


def _answered(query: DeclaredQuery, general: Schema) -> Schema:
    found = copy.deepcopy(general)
    answered = [parameter for parameter in query.parameters if parameter.mode != "in"]
    found["properties"]["solutions"]["items"] = {
        "type": "object",
        "properties": {each.name: {"description": each.words, **_widened(of_type(each.type))} for each in answered},
        "required": [each.name for each in answered if each.mode == "out"],
        "additionalProperties": False,
    }
    return found


def _widened(schema: Any) -> Any:
    """Give a schema without `prefixItems`, which few readers of OpenAPI know: any of the items may stand anywhere."""
    if isinstance(schema, list):
        return [_widened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _widened(value) for key, value in schema.items() if key != "prefixItems"}
    if "prefixItems" in schema:
        found["items"] = {"anyOf": _widened(schema["prefixItems"])}
    return found


def _compound(functor: str, arguments: Iterable[Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {"f": {"const": functor}, "args": _tuple(list(arguments))},
        "required": ["f", "args"],
        "additionalProperties": False,
    }


def _tuple(items: list[Schema]) -> Schema:
    alike = [{key: value for key, value in item.items() if key != "title"} for item in items]
    if items and all(item == alike[0] for item in alike):  # as older readers of schemas understand it too
        return {"type": "array", "items": alike[0], "minItems": len(items), "maxItems": len(items)}
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}
