"""The sandbox in which chat templates run: what they may call, and how long they may take.

It offers what templates on the hub are written against: blocks that swallow their line, `break` and `continue`,
`raise_exception`, `strftime_now`, a `tojson` that leaves text readable, and `{% generation %}` marks.
"""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NoReturn, cast

import jinja2
from jinja2 import ext, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_DEADLINE = "_deadline"
_WATCHED = "_watched"


class TemplateRefusedError(Exception):
    """The template called `raise_exception`; the message is the template's own."""


class TemplateTimeoutError(Exception):
    """Rendering took longer than its limit."""


class Deadline:
    """A limit on the time that one render may compute.

    It counts this thread's processor time, so that a busy machine fails no request that an idle one would serve.

    Args:
        limit_s: seconds of processor time, from now on, in the thread that makes this object.
    """

    def __init__(self, limit_s: float) -> None:
        self._end_s = time.thread_time() + limit_s

    def check(self) -> None:
        """Raises `TemplateTimeoutError` once the limit has passed."""
        if time.thread_time() > self._end_s:
            raise TemplateTimeoutError


class CompiledTemplate:
    """A template whose every loop looks at the clock.

    Args:
        source: the template's text.

    Raises:
        jinja2.TemplateSyntaxError: it is not a template.
    """

    def __init__(self, source: str) -> None:
        environment = _environment()
        self.tree = environment.parse(source)
        for loop in self.tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _WATCHED, [], [], None, None, lineno=loop.lineno)
        code = environment.compile(self.tree, filename="<chat template>")
        self._template = jinja2.Template.from_code(environment, code, environment.make_globals(None))

    def render(self, variables: dict[str, Any], deadline: Deadline) -> str:
        """The text. Raises `TemplateRefusedError`, `TemplateTimeoutError` or whatever goes wrong in the template."""
        return self._template.render({**variables, _DEADLINE: deadline})


class _WatchedItems:
    """What a loop goes over. It has a length where the items have one, so that `loop.length` stays cheap."""

    def __init__(self, items: Iterable[Any], deadline: Deadline) -> None:
        self._items = items
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._deadline.check()
            yield item

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]  # a TypeError is what jinja2 expects of generators


@jinja2.pass_context
def _watched(context: jinja2.runtime.Context, items: Iterable[Any]) -> _WatchedItems:
    # Always there: `ChatTemplate` renders with it in the context.
    return _WatchedItems(items, cast("Deadline", context.resolve(_DEADLINE)))


class _GenerationMarks(ext.Extension):
    """`{% generation %}` marks the assistant's words for training; serving only needs what is inside."""

    tags = {"generation"}  # noqa: RUF012  # jinja2 reads a plain class attribute

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationMarks, ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.filters[_WATCHED] = _watched
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise TemplateRefusedError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON for models, not for HTML: jinja2's own filter would escape `<`, `>`, `&` and quotes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
