"""`response_format` and `structured_outputs` as a `GrammarSpec`."""

import json

from server.api.protocol.common import ResponseFormat, Sampling, StructuredOutputs
from server.engine.request import GrammarSpec
from server.errors import RequestError


def grammar_of(request: Sampling) -> tuple[GrammarSpec, str] | None:
    """(the constraint on the output, the field that set it); None if there is none.

    Raises:
        RequestError: both fields, or several constraints, or none where one was promised.
    """
    formatted = _from_response_format(request.response_format)
    structured = _from_structured(request.structured_outputs)
    if formatted is not None and structured is not None:
        raise RequestError("Give either response_format or structured_outputs, not both.", param="structured_outputs")
    if formatted is not None:
        return formatted, "response_format"
    return None if structured is None else (structured, "structured_outputs")


def _from_response_format(wanted: ResponseFormat | None) -> GrammarSpec | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return GrammarSpec("json_object")
    if wanted.json_schema is None:
        raise RequestError(
            "A response_format of type 'json_schema' needs json_schema.", param="response_format.json_schema",
            code="missing_required_parameter",
        )  # fmt: skip
    schema = wanted.json_schema.json_schema
    return GrammarSpec("json_object") if schema is None else GrammarSpec("json_schema", json.dumps(schema))


def _from_structured(wanted: StructuredOutputs | None) -> GrammarSpec | None:
    if wanted is None:
        return None
    specs: list[GrammarSpec] = []
    if wanted.json_value is not None:
        specs.append(GrammarSpec("json_schema", _schema_text(wanted.json_value)))
    if wanted.json_object:
        specs.append(GrammarSpec("json_object"))
    if wanted.regex is not None:
        specs.append(GrammarSpec("regex", wanted.regex))
    if wanted.choice is not None:
        specs.append(GrammarSpec("lark", choice_grammar(wanted.choice)))
    specs.extend(GrammarSpec("lark", text) for text in (wanted.grammar, wanted.ebnf) if text is not None)
    if len(specs) != 1:
        raise RequestError(
            "structured_outputs needs exactly one of json, json_object, regex, choice, grammar, ebnf.",
            param="structured_outputs",
        )
    return specs[0]


def _schema_text(schema: dict[str, object] | str) -> str:
    if isinstance(schema, dict):
        return json.dumps(schema)
    try:
        parsed = json.loads(schema)
    except ValueError as error:
        raise RequestError(f"structured_outputs.json is not JSON: {error}", param="structured_outputs.json") from None
    if not isinstance(parsed, dict):
        raise RequestError("structured_outputs.json must be a JSON schema object.", param="structured_outputs.json")
    return schema


def choice_grammar(choices: list[str]) -> str:
    """A Lark grammar that allows exactly one of `choices`."""
    if "" in choices:
        raise RequestError("A choice must not be empty.", param="structured_outputs.choice")
    # JSON's escapes are Lark's. A colon is written as one too: `::=` would make this GBNF to its reader.
    return "start: " + " | ".join(json.dumps(choice).replace(":", "\\u003a") for choice in choices)
