"""Tool calls: check a request's tools, constrain and parse what the model writes, and shape the answer.

A chat endpoint needs four things: `auto_select(template_source)` once per model, `prepare_tools(...)` per request,
`plan.new_stream()` per sample, and in it `feed`, `finish`, `finish_reason` and `message`.
"""

from server.api.tools.choice import ToolPlan, prepare_tools
from server.api.tools.registry import FAMILIES, auto_select
from server.api.tools.stream import ChatDelta, ChatMessage, ToolStream

__all__ = ["FAMILIES", "ChatDelta", "ChatMessage", "ToolPlan", "ToolStream", "auto_select", "prepare_tools"]
