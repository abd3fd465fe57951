"""Serving: what the API knows about the loaded model, built once when the engine is ready."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from server.api.templates import ChatTemplate
from server.api.tools import auto_select
from server.engine.client import EngineClient
from server.engine.request import EngineInfo
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError, ModelNotFoundError
from server.grammar import GrammarCompiler
from server.settings import ServerSettings

NUM_TEXT_THREADS = 2


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """Values of requests that set none: OpenAI's, unless the model's generation_config.json says otherwise."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    @classmethod
    def from_directory(cls, model_dir: Path) -> "SamplingDefaults":
        """From generation_config.json, as vLLM reads it; a missing file sets nothing.

        Raises:
            ConfigError: the file is not a JSON object, or a value is out of its range.
        """
        path = model_dir / "generation_config.json"
        if not path.is_file():
            return cls()
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}; use --generation-config none to do without") from None
        ranges: dict[str, tuple[float, float]] = {
            "temperature": (0, 2), "top_p": (1e-9, 1), "top_k": (0, 2**31), "min_p": (0, 1),
            "repetition_penalty": (1e-9, 10),
        }  # fmt: skip
        found = {name: values[name] for name in ranges if isinstance(values, dict) and values.get(name) is not None}
        for name, value in found.items():
            low, high = ranges[name]
            if not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
                raise ConfigError(
                    f"{path} sets {name} to {value!r}, outside [{low:g}, {high:g}]; "
                    "use --generation-config none to do without"
                )
        return cls(**found)


class Serving:
    """The loaded model as the API sees it. Immutable once built.

    Args:
        engine: started and ready.

    Raises:
        ConfigError: the chat template, tool parser or generation config cannot be used.
        ModelLoadError: the tokenizer cannot be loaded.
    """

    def __init__(self, engine: EngineClient, settings: ServerSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.info: EngineInfo = engine.info
        self.created = int(time.time())
        model_dir = Path(self.info.model_path)
        self.tokenizer = Tokenizer.from_directory(model_dir)
        self.template = (
            ChatTemplate.from_file(settings.chat_template, model_dir)
            if settings.chat_template is not None
            else ChatTemplate.from_directory(model_dir)
        )
        self.tool_family = settings.tool_parser
        if self.tool_family == "auto":
            self.tool_family = auto_select(self.template.source if self.template is not None else None)
        self.defaults = (
            SamplingDefaults.from_directory(model_dir) if settings.generation_config == "model" else SamplingDefaults()
        )
        self.grammar = GrammarCompiler(self.tokenizer, self.info.vocab_size, self.info.eos_token_ids)
        self.models = {self.info.model: self.info.default_variant}
        self.models |= {f"{self.info.model}:{variant}": variant for variant in self.info.variants}
        self.max_len = max(map(self.info.limit_of, self.info.variants))
        self.max_prompt_chars = self.max_len * _longest_token_bytes(self.tokenizer)
        self._threads = ThreadPoolExecutor(NUM_TEXT_THREADS, thread_name_prefix="rhumb-text")

    @property
    def fingerprint(self) -> str:
        """Changes whenever equal requests may be answered differently."""
        return f"rhumb_{self.info.dtype}_{self.info.attention_backend}"

    def resolve(self, model: str | None) -> tuple[str, str]:
        """(the id to answer under, the variant to run).

        Raises:
            ModelNotFoundError: nothing of that id is served.
        """
        if model is None or (self.settings.any_model and model not in self.models):
            return model or self.info.model, self.info.default_variant
        if model not in self.models:
            served = ", ".join(self.models)
            raise ModelNotFoundError(
                f"The model '{model[:100]}' does not exist. This server has: {served}.",
                param="model",
                code="model_not_found",
            )
        return model, self.models[model]

    async def in_thread[T](self, work: Callable[[], T]) -> T:
        """Run tokenising or templating off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _longest_token_bytes(tokenizer: Tokenizer) -> int:
    """No token stands for more characters than this."""
    return max(len(tokenizer.token_text_and_bytes(token_id)[1]) for token_id in range(tokenizer.vocab_size))
