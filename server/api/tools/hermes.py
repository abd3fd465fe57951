"""Hermes-style calls, also written by Qwen: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`.

Any number of them, with text before, between and after. A missing closing tag is forgiven, since models that end
their turn right after the object do leave it out.
"""

from server.api.tools.definitions import is_function_name
from server.api.tools.marked_json import MarkedJsonParser
from server.api.tools.parser import CallShape, ToolCallParser, ToolFamily

_OPEN = "<tool_call>"
_CLOSE = "</tool_call>"


def new_parser(tool_names: frozenset[str]) -> ToolCallParser:
    """A parser for one sample.

    A call in its tags is unmistakable, so one to a tool that does not exist comes out as a call too: an agent can
    answer that there is no such tool.
    """
    return MarkedJsonParser(
        name="hermes",
        marker=_OPEN,
        closing=_CLOSE,
        argument_keys=frozenset({"arguments", "parameters"}),
        accepts_name=is_function_name,
        is_bare=False,
    )


HERMES = ToolFamily(
    name="hermes",
    template_markers=(_OPEN,),
    new_parser=new_parser,
    shape=CallShape(
        before_name=_OPEN + '\n{"name": "',
        before_arguments='", "arguments": ',
        after="}\n" + _CLOSE,
        separator="\n",
        trigger=_OPEN,
        forbidden_text=_OPEN,
    ),
)
