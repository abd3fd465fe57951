"""What a model is shown: a versioned template, a question, and what the mode lets it see beside the question.

Templates are files in `templates/`. A run records the sha256 of all files that its prompts were made of and keeps
their text, and every question the sha256 of its very prompt.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from annotator.cache.json_text import canonical, sha256_hex
from annotator.datasets.native import NativeItem
from annotator.errors import InputError
from annotator.evaluate.config import Protocol, RunConfig
from annotator.evaluate.model import Mode, Shown
from annotator.evaluate.shown import shown_of

FOLDER = Path(__file__).with_name("templates")
_ASK = "ask.jinja"
_VERSION = re.compile(r"version (\d+)")


@dataclass(frozen=True)
class Template:
    """The files that make the prompts of one mode.

    Args:
        name: of the mode; `react` for tools mode in text.
        version: of its main file.
        files: name to text, parts included.
    """

    name: str
    version: int
    files: Mapping[str, str]

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    @property
    def body(self) -> bytes:
        """All files as canonical JSON, as they are kept."""
        return canonical(dict(self.files))

    @property
    def sha(self) -> str:
        """sha256 of `body`."""
        return sha256_hex(self.body)

    @property
    def has_system(self) -> bool:
        """Whether there is a system message."""
        return f"{self.name}.system.jinja" in self.files

    def render(self, part: str, **values: Any) -> str:
        """The text of one file."""
        return _environment(tuple(self.files.items())).get_template(part).render(**values).strip()


@dataclass(frozen=True)
class Prompt:
    """A question as it is sent.

    Args:
        messages: in OpenAI's form.
        tools: in OpenAI's form; empty where none are offered by function calling.
        shown: what reading the reply depends on.
        body: messages and tools as canonical JSON, which is what is hashed: the same for every model.
    """

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...]
    shown: Shown
    body: bytes

    @property
    def sha(self) -> str:
        """sha256 of `body`."""
        return sha256_hex(self.body)


@cache
def template_for(mode: Mode, protocol: Protocol = "tools") -> Template:
    """The template of a mode."""
    name = "react" if mode == "tools" and protocol == "react" else mode
    names = [path.name for path in sorted(FOLDER.glob(f"{name}*.jinja"))]
    files = {one: (FOLDER / one).read_text() for one in (*names, _ASK)}
    found = _VERSION.search(files[f"{name}.jinja"])
    return Template(name, int(found[1]) if found else 0, files)


def reason_against(item: NativeItem, mode: Mode) -> str:
    """Why an item cannot be asked in a mode; empty where it can."""
    if mode == "text_context" and item.context.text is None:
        return "terms keep the text of its context"
    if mode == "json_context" and item.context.json_content is None:
        return "terms keep the JSON of its context"
    if mode == "oracle_evidence" and any(one.value is None for one in item.evidence) and item.export != "full":
        return "terms keep the values of its evidence"
    return ""


def prompt_of(
    item: NativeItem,
    config: RunConfig,
    template: Template,
    *,
    epoch: int = 0,
    tools: Sequence[Mapping[str, Any]] = (),
    area: str = "",
) -> Prompt:
    """The prompt of an item.

    Args:
        epoch: another one shuffles options in another way.
        tools: in OpenAI's form, for tools mode.
        area: one sentence on what the map shows, for tools mode.

    Raises:
        InputError: the item lacks what the mode shows.
    """
    if reason := reason_against(item, config.mode):
        raise InputError(f"question {item.number} cannot be asked in mode {config.mode}: {reason}")
    seed = None if config.shuffle_seed is None else config.shuffle_seed + epoch
    shown = shown_of(item, offers_abstaining=config.offers_abstaining, shuffle_seed=seed)
    # These templates offer to abstain by a word, not by a letter.
    shown = shown.model_copy(update={"options": tuple(one for one in shown.options if one.key is not None)})
    values = {
        "question": item.question,
        "options": [{"label": one.label, "text": one.text} for one in shown.options],
        "form": shown.form,
        "offers_abstaining": shown.offers_abstaining,
        "context": _context(item, config.mode),
        "area": area,
        "tools": [_described(tool) for tool in tools],
    }
    messages = [{"role": "user", "content": template.render(f"{template.name}.jinja", **values)}]
    if template.has_system:
        system = template.render(f"{template.name}.system.jinja", **values)
        messages.insert(0, {"role": "system", "content": system})
    called = tuple(dict(tool) for tool in tools) if template.name == "tools" else ()
    return Prompt(tuple(messages), called, shown, canonical({"messages": messages, "tools": list(called)}))


def _context(item: NativeItem, mode: Mode) -> str:
    match mode:
        case "text_context":
            return (item.context.text or "").rstrip("\n")
        case "json_context":
            return canonical(item.context.json_content).decode()
        case "oracle_evidence":
            lines = [
                canonical({"tool": one.tool, "params": one.params, "pointer": one.pointer, "value": one.value}).decode()
                for one in item.evidence
                if one.role == "supports"
            ]
            return "\n".join(dict.fromkeys(lines))
        case _:
            return ""


def _described(tool: Mapping[str, Any]) -> dict[str, str]:
    function = tool["function"]
    return {
        "name": function["name"],
        "description": function["description"],
        "parameters": json.dumps(function["parameters"], ensure_ascii=False, separators=(",", ":")),
    }


class _Files(BaseLoader):
    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:
        if template not in self._files:
            raise TemplateNotFound(template)
        return self._files[template], None, None


@cache
def _environment(files: tuple[tuple[str, str], ...]) -> Environment:
    # Prompts are plain text: there is nothing to escape.
    return Environment(loader=_Files(dict(files)), undefined=StrictUndefined, autoescape=False, trim_blocks=True)
