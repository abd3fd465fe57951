"""From a request to prompt ids: tokenising, chat templates. Long work runs off the event loop."""

from typing import Any

from server.api.convert import check_num_choices
from server.api.protocol.chat import Message, TemplateFields
from server.api.protocol.completions import CompletionRequest, Prompt
from server.api.serving import Serving
from server.api.templates import NO_TEMPLATE_MESSAGE
from server.errors import RequestError

INLINE_CHARS = 2048
"""Shorter texts are tokenised at once: in less time than a thread needs to begin."""

MAX_TEXT_CHARS = 2**20
"""Longest text that is tokenised although it need not fit the context: its tokens take a hundred times its memory."""

_UNUSED = ("refusal", "annotations", "audio", "function_call")


async def completion_prompts(body: CompletionRequest, serving: Serving) -> list[list[int]]:
    """The ids of every prompt of a completion request."""
    texts, ids = _split(body.prompt)
    # Before any work, because a body has room for millions of prompts.
    check_num_choices(len(ids) if texts is None else len(texts), body.n or 1, serving, "prompt")
    if texts is None:
        return ids
    check_length(texts, serving, "prompt", must_fit=body.truncate_prompt_tokens is None)
    return await encode(texts, serving, add_special_tokens=body.add_special_tokens)


def _split(prompt: Prompt) -> tuple[list[str] | None, list[list[int]]]:
    """(the texts, or None) and (the prompts that came as ids)."""
    if isinstance(prompt, str):
        return [prompt], []
    texts = [item for item in prompt if isinstance(item, str)]
    if texts:
        return texts, []
    ids = [item for item in prompt if isinstance(item, int)]
    return (None, [ids]) if ids else (None, [item for item in prompt if isinstance(item, list)])


def check_length(texts: list[str], serving: Serving, param: str, *, must_fit: bool = True) -> None:
    """Refuse texts that are not worth tokenising, before any is.

    Args:
        must_fit: the text is to fit into the context; otherwise it may be longer, but not without bounds.

    Raises:
        RequestError: a text cannot fit, however it is tokenised, or is longer than `MAX_TEXT_CHARS`.
    """
    limit = serving.max_prompt_chars if must_fit else max(serving.max_prompt_chars, MAX_TEXT_CHARS)
    longest = max(map(len, texts), default=0)
    if longest <= limit:
        return
    if must_fit:
        raise RequestError(
            f"This model's maximum context length is {serving.max_len} tokens. However, your {param} of "
            f"{longest} characters cannot fit. Please reduce the length of the {param}.",
            param=param,
            code="context_length_exceeded",
        )
    raise RequestError(
        f"Your {param} has {longest} characters; at most {limit} are tokenised.", param=param, code="invalid_value"
    )


async def encode(texts: list[str], serving: Serving, *, add_special_tokens: bool) -> list[list[int]]:
    """Token ids of each text."""

    def work() -> list[list[int]]:
        return serving.tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)

    return work() if sum(map(len, texts)) <= INLINE_CHARS else await serving.in_thread(work)


async def chat_text(
    body: TemplateFields, messages: list[Message], tools: list[dict[str, Any]] | None, serving: Serving
) -> str:
    """A conversation in the model's own format.

    Raises:
        RequestError: the model has no chat template, a message cannot be written in it, or the fields
            contradict each other.
    """
    template = serving.template
    if template is None:
        raise RequestError(NO_TEMPLATE_MESSAGE, param="messages", code="unsupported_parameter")
    if body.continue_final_message and body.add_generation_prompt and "add_generation_prompt" in body.model_fields_set:
        raise RequestError(
            "add_generation_prompt and continue_final_message exclude each other.", param="continue_final_message"
        )
    plain = [plain_message(message, f"messages[{index}]") for index, message in enumerate(messages)]
    return await serving.in_thread(
        lambda: template.render(
            plain,
            tools,
            add_generation_prompt=body.add_generation_prompt and not body.continue_final_message,
            continue_final_message=body.continue_final_message,
            template_kwargs=body.chat_template_kwargs or {},
        )
    )


def plain_message(message: Message, path: str) -> dict[str, Any]:
    """A message as templates expect it.

    Raises:
        RequestError: it holds what is not text, or lacks what its role needs.
    """
    for name in ("audio", "function_call"):
        if getattr(message, name) is not None:
            raise RequestError(
                f"{name} in messages is not supported.", param=f"{path}.{name}", code="unsupported_parameter"
            )
    if message.role == "tool" and message.tool_call_id is None:
        raise RequestError("A message of the role 'tool' needs tool_call_id.", param=f"{path}.tool_call_id")
    if message.tool_calls and message.role != "assistant":
        raise RequestError("Only messages of the role 'assistant' have tool_calls.", param=f"{path}.tool_calls")
    if message.content is None and not (message.role == "assistant" and message.tool_calls):
        raise RequestError("content must be a string or a list of text parts.", param=f"{path}.content")
    if isinstance(message.content, list):
        for index, part in enumerate(message.content):
            if part.type != "text" or part.text is None:
                raise RequestError(
                    f"Only parts of the type 'text', with a text, are supported, not '{part.type[:40]}': "
                    "this server reads text only.",
                    param=f"{path}.content[{index}]",
                    code="unsupported_parameter",
                )
    plain = message.model_dump(exclude_none=True, exclude=set(_UNUSED))
    if isinstance(message.content, list):
        plain["content"] = [{"type": "text", "text": part.text} for part in message.content]
    return plain
