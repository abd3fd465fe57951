"""Llama 3 JSON calls: `{"name": …, "parameters": {…}}` as the whole message, several separated by `;`.

Models may put `<|python_tag|>` before the first; `arguments` is taken for `parameters` as well.
"""

from server.api.tools.marked_json import MarkedJsonParser
from server.api.tools.parser import CallShape, ToolCallParser, ToolFamily

_PYTHON_TAG = "<|python_tag|>"


def new_parser(tool_names: frozenset[str]) -> ToolCallParser:
    """A parser for one sample.

    A bare call looks like any other JSON, so an object counts as one only if it names a tool of the request.
    """
    return MarkedJsonParser(
        name="llama3_json",
        marker=_PYTHON_TAG,
        closing=";",
        argument_keys=frozenset({"parameters", "arguments"}),
        accepts_name=tool_names.__contains__,
        is_bare=True,
    )


LLAMA3_JSON = ToolFamily(
    name="llama3_json",
    template_markers=("python_tag",),
    new_parser=new_parser,
    shape=CallShape(
        before_name='{"name": "',
        before_arguments='", "parameters": ',
        after="}",
        separator="; ",
        trigger="",
        forbidden_text=_PYTHON_TAG,
    ),
)
