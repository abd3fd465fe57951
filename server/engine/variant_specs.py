"""The language of `--variants`: which ways to run a model there are, and with which arguments.

    list     = variant { "," variant }
    variant  = name [ "=" spec ]
    spec     = call [ "+" call ]              a KV policy, an exit schedule, or the one and then the other
    call     = name [ "(" [ name "=" value { "," name "=" value } ] ")" ]

A value is any text without commas and parentheses, or any text at all in single or double quotes. A name alone stands
for a variant that every server knows. What the names and arguments mean is for policies and schedules to say.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from server.depth.registry import EXIT_SCHEDULES
from server.errors import ConfigError

VARIANTS = {
    "full": "full",
    "duo": "duo",
    "skip": "skip",
    **{f"skip{speedup}": f"skip(speedup={speedup})" for speedup in (2, 3, 4, 5)},
}
"""Names that need no spec, and what they stand for."""

_VARIANT_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_CALL = re.compile(r"\s*([A-Za-z]\w*)\s*(?:\((.*)\)\s*)?", re.ASCII | re.DOTALL)
_ARGUMENT = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A policy or a schedule by name, with arguments that are still text."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(f'{name}={_quoted(value)}' for name, value in self.arguments.items())})"


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A variant as it was asked for."""

    name: str
    policy: Call
    schedule: Call = Call("full")

    def __str__(self) -> str:
        schedule = "" if self.schedule == Call("full") else f"+{self.schedule}"
        return f"{self.name}={self.policy}{schedule}"


def split_variants(text: str) -> list[str]:
    """The variants of a list, each still text; commas within parentheses and quotes part nothing.

    Raises:
        ConfigError: a parenthesis or a quote is left open, or closes what was not opened.
    """
    return [part.strip() for part in _split(text, ",", text) if part.strip()]


def parse_variants(texts: Iterable[str]) -> list[VariantSpec]:
    """What was asked for, in order. Each text may be a list itself.

    Raises:
        ConfigError: one line that names the variant and what is wrong with it.
    """
    specs = [parse_variant(text) for listed in texts for text in split_variants(listed)]
    if not specs:
        raise ConfigError("name at least one variant to serve, such as --variants full")
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"variant {name!r} is named {names.count(name)} times; give each a name of its own")
    return specs


def parse_variant(text: str) -> VariantSpec:
    """One variant, `name` or `name=spec`.

    Raises:
        ConfigError: as `parse_variants`.
    """
    name, has_spec, spec = (part.strip() for part in text.partition("="))
    if "(" in name:
        # Without a name of its own, what stands before the parenthesis is one.
        name, has_spec, spec = name.partition("(")[0].strip(), "=", text.strip()
    if not _VARIANT_NAME.fullmatch(name):
        raise ConfigError(
            f"variant {text!r}: a name is letters, digits, '_', '-' and '.', as in full or duo25=duo(sparsity=0.75)"
        )
    if not has_spec:
        if name not in VARIANTS:
            raise ConfigError(
                f"unknown variant {name!r}; known are {', '.join(VARIANTS)}, or say what it is, "
                f"as in {name}=duo(sparsity=0.5)"
            )
        spec = VARIANTS[name]
    calls = [_parse_call(part, text) for part in _split(spec, "+", text)]
    if len(calls) > 2:
        raise ConfigError(f"variant {text!r}: one KV policy and one exit schedule, not {len(calls)} parts")
    if calls[0].name in EXIT_SCHEDULES and calls[0].name != "full":
        if len(calls) > 1:
            raise ConfigError(f"variant {text!r}: the exit schedule comes last, as in {calls[1]}+{calls[0]}")
        return VariantSpec(name, Call("full"), calls[0])
    return VariantSpec(name, *calls)


def _parse_call(text: str, whole: str) -> Call:
    match = _CALL.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"variant {whole!r}: {text.strip()!r} is not of the form policy or policy(argument=value, ...)"
        )
    arguments: dict[str, str] = {}
    parts = _split(match[2] or "", ",", whole)
    for part in parts if len(parts) > 1 or parts[0].strip() else ():
        argument = _ARGUMENT.fullmatch(part)
        if argument is None or not argument[2]:
            raise ConfigError(f"variant {whole!r}: {part.strip()!r} is not of the form argument=value")
        name, value = argument.groups()
        if name in arguments:
            raise ConfigError(f"variant {whole!r}: {name} is given twice")
        arguments[name] = _unquoted(value, whole)
    return Call(match[1], arguments)


def _split(text: str, separator: str, whole: str) -> list[str]:
    """Parts of `text` between separators that stand outside of parentheses and quotes."""
    parts, start, depth, quote = [], 0, 0, ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
        else:
            depth += (character == "(") - (character == ")")
        if depth < 0:
            break
    if depth or quote:
        raise ConfigError(f"--variants {whole!r}: {'a quote' if quote else 'parentheses'} must be opened and closed")
    return [*parts, text[start:]]


def _unquoted(value: str, whole: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[0] == value[-1] and value[0] not in value[1:-1]:
        return value[1:-1]
    if any(character in "'\"()" for character in value):
        raise ConfigError(f"variant {whole!r}: put {value!r} as a whole in quotes")
    return value


def _quoted(value: str) -> str:
    if value and value == value.strip() and not any(character in "'\"(),+" for character in value):
        return value
    return f'"{value}"' if '"' not in value else f"'{value}'"
