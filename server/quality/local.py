"""A model in this process: the engine core without HTTP, with as many dialogues under way as it can batch."""

import itertools
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from server.api.templates import ChatTemplate
from server.api.tools import ToolPlan, auto_select, prepare_tools
from server.config import EngineConfig
from server.engine.client import TextParams
from server.engine.loop import load_core
from server.engine.request import EngineRequest, SampleOutput, SamplingParams, TokenLogprobs
from server.engine.text import TextAssembler
from server.engine.tokenizer import Tokenizer
from server.errors import RequestError
from server.quality.items import Ask, Course, Item, OnRecord, Prompt, Reply, Window

NO_TEMPLATE = "the model has no chat template"
NO_TOOLS = "the model's chat template shows no tools"


@dataclass(slots=True)
class _Asked:
    """A request of the core, and everything that came back of it."""

    course: Course
    ask: Ask
    prompt_ids: list[int]
    plan: ToolPlan
    token_ids: list[int] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprobs | None] = field(default_factory=list)


class LocalModel:
    """Implements `Model` with the engine.

    Args:
        config: the engine's; its variants are those to judge.
        chat_template: a file to use instead of the model's own.

    Raises:
        ConfigError: the settings cannot work.
        ModelLoadError: the checkpoint cannot be loaded.
    """

    def __init__(self, config: EngineConfig, chat_template: Path | None = None) -> None:
        self._core = load_core(config)
        self._info = self._core.info
        self._tokenizer = Tokenizer.from_directory(self._info.model_path)
        self._template = (
            ChatTemplate.from_directory(self._info.model_path)
            if chat_template is None
            else ChatTemplate.from_file(chat_template, self._info.model_path)
        )
        self._family = auto_select(None if self._template is None else self._template.source)
        # Twice what can run, so that the scheduler always has prompts to fill a step with. Not all at once: the ids of
        # ten thousand long contexts would take more memory than their texts by far.
        self._most_at_once = 2 * self._info.max_rows
        self._numbers = itertools.count()
        first = self._tokenizer.encode("a")[:1]
        self._beginning = first if first == [self._tokenizer.bos_token_id] else []

    @property
    def max_model_len(self) -> int:
        return self._info.max_model_len

    @property
    def has_chat_template(self) -> bool:
        return self._template is not None

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [len(ids) for ids in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def windows(self, text: str, length: int, stride: int) -> list[Window]:
        """As `Model.windows`; a window begins with BOS if the model's prompts do, and nothing predicts the first token
        of a text whose prompts do not."""
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        body = length - len(self._beginning)
        windows, end = [], 0
        while end < len(ids):
            begun, end = end, min(len(ids), body if end == 0 else end + stride)
            context = max(0, end - body)
            content = (*self._beginning, *ids[context:end])
            windows.append(Window(content, max(1, len(content) - (end - begun))))
        return [window for window in windows if window.start < len(window.content)]

    def run(self, items: list[Item], variant: str, on_record: OnRecord) -> None:
        waiting, asked = deque(items), dict[str, _Asked]()
        while waiting or asked:
            while waiting and len(asked) < self._most_at_once:
                self._go_on(Course(waiting.popleft(), variant), variant, asked, on_record)
            for output in self._core.step() if asked else ():
                course = self._take(output, asked)
                if course is not None:
                    self._go_on(course, variant, asked, on_record)

    def describe(self) -> dict[str, Any]:
        info = self._info
        return {
            "model_id": info.model,
            "num_parameters": info.num_parameters,
            "max_model_len": info.max_model_len,
            "dtype": info.dtype,
            "kv_format": info.kv_format,
            "device": info.device,
            "attention_backend": info.attention_backend,
            "page_size": info.page_size,
            "max_rows": info.max_rows,
            "has_chat_template": self.has_chat_template,
        }

    def close(self) -> None:
        self._core.close()

    def _go_on(self, course: Course, variant: str, asked: dict[str, _Asked], on_record: OnRecord) -> None:
        """Ask what the dialogue wants next, or write down how it ended."""
        if course.ask is not None:
            request = self._request(course, variant)
            if request is not None:
                request_id = f"quality-{next(self._numbers)}"
                asked[request_id] = request[0]
                self._core.add(EngineRequest(request_id, request[0].prompt_ids, request[1], variant=variant))
                return
        on_record(course.record())

    def _request(self, course: Course, variant: str) -> tuple[_Asked, SamplingParams] | None:
        """What the core is to do; None, with the course ended, if the model cannot take it."""
        ask = course.ask
        assert ask is not None
        if isinstance(ask, Window):
            assert not isinstance(ask.content, str)
            params = SamplingParams(max_tokens=0, temperature=0.0, prompt_logprobs=0)
            return _Asked(course, ask, list(ask.content), ToolPlan()), params
        if ask.tools and not (self._template is not None and self._template.supports_tools):
            course.skip(NO_TEMPLATE if self._template is None else NO_TOOLS)
            return None
        try:
            plan = prepare_tools(list(ask.tools) or None, None, None, self._family)
            prompt_ids = self._prompt_ids(ask, plan)
        except RequestError as error:
            course.fail(error.message)
            return None
        if len(prompt_ids) + ask.max_tokens > self.max_model_len:
            course.skip(f"prompt and reply are longer than the model's {self.max_model_len} tokens")
            return None
        params = SamplingParams(
            max_tokens=ask.max_tokens,
            temperature=0.0,
            eos_token_ids=tuple(self._info.eos_token_ids),
        )
        return _Asked(course, ask, prompt_ids, plan), params

    def _prompt_ids(self, ask: Prompt, plan: ToolPlan) -> list[int]:
        if self._template is None:
            return self._tokenizer.encode(plain_prompt(ask))
        text = self._template.render(list(ask.messages), plan.template_tools)
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _take(self, output: SampleOutput, asked: dict[str, _Asked]) -> Course | None:
        """Add what a step gave; the course, if its request has ended."""
        mine = asked[output.request_id]
        mine.token_ids += output.token_ids
        mine.prompt_logprobs += output.prompt_logprobs or []
        if output.finish_reason is None:
            return None
        del asked[output.request_id]
        if output.error is not None:
            mine.course.fail(output.error)
        else:
            mine.course.take(self._reply(mine, output))
        return mine.course

    def _reply(self, mine: _Asked, last: SampleOutput) -> Reply:
        ask, timings = mine.ask, last.timings
        ms = 0.0 if timings is None else timings.prefill_ms + timings.decode_ms
        if isinstance(ask, Window):
            scored = [entry for entry in mine.prompt_logprobs[ask.start :] if entry is not None]
            return Reply(
                prompt_tokens=len(mine.prompt_ids),
                ms=ms,
                logprobs=tuple(entry.logprob for entry in scored),
                num_bytes=sum(len(self._tokenizer.token_text_and_bytes(entry.token_id)[1]) for entry in scored),
            )
        text = self._text(mine, last)
        stream = mine.plan.new_stream()
        stream.feed(text)
        stream.finish()
        message = stream.message()
        is_plain = self._template is None
        return Reply(
            text=(ask.cue if is_plain else "") + (message["content"] or ""),
            calls=tuple(dict(call) for call in message.get("tool_calls", ())),
            is_plain=is_plain,
            prompt_tokens=len(mine.prompt_ids),
            completion_tokens=len(mine.token_ids),
            ms=ms,
        )

    def _text(self, mine: _Asked, last: SampleOutput) -> str:
        """The reply as the chat endpoint would show it."""
        shown = TextParams(skip_special_tokens=not mine.plan.needs_special_tokens)
        assembler = TextAssembler(self._tokenizer, shown, mine.prompt_ids)
        delta = assembler.feed(replace(last, token_ids=mine.token_ids, prompt_logprobs=None, logprobs=None))
        assert delta is not None
        return delta.text


def plain_prompt(ask: Prompt) -> str:
    """A conversation for a model that only continues text: what was said, and how the reply begins."""
    said = "\n\n".join(str(message["content"]) for message in ask.messages)
    return f"{said}\n{ask.cue}" if ask.cue else f"{said}\n\n"
