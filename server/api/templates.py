"""Chat templates: how a conversation becomes one prompt, in the model's own words.

Templates come from the model's directory or from a file of the operator, never from a request: they are code. They
run in jinja2's sandbox with a limit on their time. The text is the same as transformers' `apply_chat_template` gives.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from server.api.template_env import CompiledTemplate, Deadline, TemplateRefusedError, TemplateTimeoutError
from server.api.template_files import SPECIAL_TOKENS, special_tokens, template_sources
from server.api.template_messages import template_messages
from server.errors import ConfigError, ModelLoadError, RequestError

NO_TEMPLATE_MESSAGE = (
    "This model has no chat template. Use /v1/completions, or start the server with --chat-template FILE."
)
RENDER_LIMIT_S = 2.0
MAX_TEMPLATE_KWARGS = 32
MAX_KWARG_CHARS = 4096
_MAX_MESSAGE_CHARS = 500
_KWARG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# These decide what is rendered or how, or belong to the environment; a request has its own fields for them or none.
_BLOCKED_KWARGS = frozenset(
    {
        *SPECIAL_TOKENS,
        *("messages", "conversation", "conversations", "tools", "documents", "chat_template", "tokenizer_kwargs"),
        *("add_generation_prompt", "continue_final_message", "tokenize", "padding", "truncation", "max_length"),
        *("return_tensors", "return_dict", "return_assistant_tokens_mask", "processor_kwargs", "kwargs", "self"),
        *("raise_exception", "strftime_now", "range", "dict", "namespace", "lipsum", "cycler", "joiner", "loop"),
        *("caller", "varargs", "context", "environment", "super", "load_audio_from_video", "video_load_backend"),
    }
)
# Found again in the rendered text to cut it there. The space tells whether the template trims what it is given.
_END_OF_FINAL_MESSAGE = "\x02end-of-final-message\x03 "


class ChatTemplate:
    """The chat template of one model.

    Args:
        sources: template texts by name. `default` is needed; `tool_use`, if there is one, serves requests with tools.
        special_tokens: texts such as `bos_token`, which templates may use.

    Raises:
        ModelLoadError: there is no `default`, or a text is not a template.
    """

    def __init__(self, sources: Mapping[str, str], special_tokens: Mapping[str, str]) -> None:
        if "default" not in sources:
            raise ModelLoadError(
                f"the model has chat templates named {', '.join(sorted(sources))} but none named default: "
                "choose one with --chat-template FILE"
            )
        self.source = "\n".join(sources.values())
        """The text of all its templates, to tell how the model writes tool calls."""
        self._special_tokens = dict(special_tokens)
        self._templates = {name: _Template(name, text) for name, text in sources.items()}

    @classmethod
    def from_directory(cls, model_dir: Path | str) -> "ChatTemplate | None":
        """The template that a model brings, or None if it brings none.

        Looks at `chat_template.jinja` (and `additional_chat_templates/`), `chat_template.json` and
        `tokenizer_config.json`, in this order.

        Raises:
            ModelLoadError: one of these files is damaged.
        """
        directory = Path(model_dir)
        sources = template_sources(directory)
        return cls(sources, special_tokens(directory)) if sources else None

    @classmethod
    def from_file(cls, path: Path | str, model_dir: Path | str | None = None) -> "ChatTemplate":
        """A template that the operator chose, with the special tokens of a model.

        Raises:
            ConfigError: the file cannot be read or is not a template.
        """
        tokens = special_tokens(Path(model_dir)) if model_dir is not None else {}
        try:
            return cls({"default": Path(path).read_text(encoding="utf-8")}, tokens)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the chat template {path}: {error}") from error
        except ModelLoadError as error:
            raise ConfigError(f"{path} cannot be used: {error}") from error

    @property
    def supports_tools(self) -> bool:
        """Whether any of its templates shows tools to the model."""
        return any("tools" in template.variables for template in self._templates.values())

    def render(
        self,
        messages: Sequence[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        template_kwargs: Mapping[str, Any] | None = None,
        limit_s: float = RENDER_LIMIT_S,
    ) -> str:
        """The prompt. It brings its own special tokens: tokenise it without adding any.

        Computes for up to `limit_s` seconds, so call it from a thread.

        Args:
            messages: as in the request; parsed JSON.
            tools: `ToolPlan.template_tools`.
            add_generation_prompt: end where the assistant begins to write.
            continue_final_message: end within the final message, so that the model goes on with it.
            template_kwargs: further variables for the template: JSON scalars, under names that are not taken.
            limit_s: seconds of processor time.

        Raises:
            RequestError: a message or variable is not possible, the template refuses the conversation (with the
                template's own message), or rendering takes too long.
        """
        variables = _checked_kwargs(template_kwargs or {})
        if continue_final_message and add_generation_prompt:
            raise RequestError(
                "'continue_final_message' needs 'add_generation_prompt' to be false: "
                "a prompt ends within the final message or after it.",
                param="continue_final_message",
            )
        if not messages:
            raise RequestError("'messages' is empty: give at least one message.", param="messages")
        template = self._templates["default"]
        if tools is not None:
            template = self._templates.get("tool_use", template)
        shaped = template_messages(messages, takes_parts=template.takes_parts, knows_developer=template.knows_developer)
        final_text = _mark_final_message(shaped[-1]) if continue_final_message else ""
        prompt = template.render(
            {
                **self._special_tokens,
                **variables,
                "messages": shaped,
                "tools": tools,
                "documents": None,
                "add_generation_prompt": add_generation_prompt,
            },
            limit_s,
        )
        return _cut_at_mark(prompt, final_text) if continue_final_message else prompt


class _Template:
    """One compiled template and what can be told from its text."""

    def __init__(self, name: str, source: str) -> None:
        try:
            self._compiled = CompiledTemplate(source)
        except jinja2.TemplateSyntaxError as error:
            raise ModelLoadError(
                f"the chat template '{name}' is not a template: line {error.lineno}: {error.message}"
            ) from error
        self.variables = meta.find_undeclared_variables(self._compiled.tree)
        self.takes_parts = _takes_parts(self._compiled.tree)
        self.knows_developer = "developer" in source

    def render(self, variables: dict[str, Any], limit_s: float) -> str:
        try:
            return self._compiled.render(variables, Deadline(limit_s))
        except TemplateRefusedError as error:
            raise RequestError(_bounded(str(error)), param="messages") from error
        except TemplateTimeoutError as error:
            raise RequestError(
                f"Writing this conversation with the model's chat template takes longer than {limit_s:g} seconds: "
                "send fewer or shorter messages.",
                param="messages",
            ) from error
        except Exception as error:  # templates are programs: anything may go wrong in them
            raise RequestError(
                _bounded(f"The model's chat template cannot write this conversation: {type(error).__name__}: {error}"),
                param="messages",
            ) from error


def _takes_parts(tree: nodes.Template) -> bool:
    """Whether the template goes over the parts of `content` without ever asking if it is a string."""

    def is_content(node: nodes.Node) -> bool:
        if isinstance(node, nodes.Filter) and node.node is not None:
            return is_content(node.node)
        if isinstance(node, nodes.Getattr):
            return node.attr == "content"
        return isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value == "content"

    if any(test.name == "string" for test in tree.find_all(nodes.Test)):
        return False
    return any(is_content(loop.iter) for loop in tree.find_all(nodes.For))


def _mark_final_message(message: dict[str, Any]) -> str:
    """Append the mark to the message's text and return the text as it was."""
    content = message["content"]
    text: str = content[0]["text"] if isinstance(content, list) else content
    if not text.strip():
        raise RequestError(
            "'continue_final_message' needs a final message with text to continue.", param="continue_final_message"
        )
    marked = text + _END_OF_FINAL_MESSAGE
    message["content"] = [{"type": "text", "text": marked}] if isinstance(content, list) else marked
    return text


def _cut_at_mark(prompt: str, final_text: str) -> str:
    mark = _END_OF_FINAL_MESSAGE.strip()
    at = prompt.rfind(mark)
    if at < 0 or final_text.strip() not in prompt:
        raise RequestError(
            "The model's chat template does not write the final message as it is, so it cannot be continued.",
            param="continue_final_message",
        )
    is_trimmed = not prompt.startswith(_END_OF_FINAL_MESSAGE, at)
    return prompt[:at].rstrip() if is_trimmed else prompt[:at]


def _checked_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if len(kwargs) > MAX_TEMPLATE_KWARGS:
        raise RequestError(
            f"'chat_template_kwargs' has {len(kwargs)} entries; at most {MAX_TEMPLATE_KWARGS} are possible.",
            param="chat_template_kwargs",
        )
    for name, value in kwargs.items():
        if not _KWARG_NAME.fullmatch(name) or name in _BLOCKED_KWARGS:
            raise RequestError(
                f"'{name[:64]}' cannot be set through 'chat_template_kwargs'.", param="chat_template_kwargs"
            )
        param = f"chat_template_kwargs.{name}"
        if not isinstance(value, str | int | float | bool | None) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            raise RequestError("Only strings, numbers, true, false and null are possible here.", param=param)
        if isinstance(value, str) and len(value) > MAX_KWARG_CHARS:
            raise RequestError(f"The text is longer than {MAX_KWARG_CHARS} characters.", param=param)
        if isinstance(value, int) and abs(value) > 2**53:
            raise RequestError("The number is too large: its size may be 2^53 at most.", param=param)
    return dict(kwargs)


def _bounded(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE_CHARS else message[: _MAX_MESSAGE_CHARS - 1] + "…"
