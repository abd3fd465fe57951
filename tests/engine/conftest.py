"""Helpers that run an engine core step by step, without a process or HTTP."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from server.config import EngineConfig
from server.engine import graphs, mixed_graphs
from server.engine.core import EngineCore
from server.engine.request import EngineRequest, SampleOutput, SamplingParams, TokenLogprobs
from tests.oracle import Oracle

SMALL = {"page_size": 4, "max_rows": 4, "max_step_tokens": 32, "num_pages": 400, "num_threads": 1}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there is a GPU, engines run on it: the whole suite of the oracle is then a test of the GPU."""
    if torch.cuda.is_available():
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.gpu)


@dataclass
class Result:
    """Everything that came back for one sample."""

    token_ids: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    last: SampleOutput | None = None


Results = dict[tuple[str, int], Result]


def collect(results: Results, outputs: Iterable[SampleOutput]) -> None:
    for output in outputs:
        result = results.setdefault((output.request_id, output.sample_index), Result())
        assert result.finish_reason is None, "nothing may follow a finish"
        result.token_ids += output.token_ids
        result.logprobs += output.logprobs or []
        if output.prompt_logprobs is not None:
            assert result.prompt_logprobs is None
            result.prompt_logprobs = output.prompt_logprobs
        result.finish_reason = output.finish_reason
        result.last = output


def drain(core: EngineCore, results: Results | None = None, max_steps: int = 20_000) -> Results:
    """Step until nothing is left; pages must then all be back."""
    results = {} if results is None else results
    for _ in range(max_steps):
        if not core.has_work:
            break
        collect(results, core.step())
    assert not core.has_work, "the engine did not come to an end"
    core.check()
    assert core.pool.num_free == core.pool.capacity
    return results


def part_tables_from_their_host(core: EngineCore) -> None:
    """As on a GPU: what the scheduler changes reaches the steps by their inputs only."""
    core.tables._is_shared = False
    core.tables.host = core.tables.host.copy()


def greedy(max_tokens: int, **params) -> SamplingParams:
    return SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True, **params)


def request(name: str, prompt_ids: Sequence[int], params: SamplingParams, **fields) -> EngineRequest:
    return EngineRequest(name, list(prompt_ids), params, **fields)


CoreFactory = Callable[..., EngineCore]


@pytest.fixture(scope="session")
def make_core(tiny_llama: Path) -> CoreFactory:
    """Builds a core over the tiny Llama (or `model`), small enough for pages and budgets to matter."""

    def make(model: Path = tiny_llama, **overrides) -> EngineCore:
        return EngineCore(EngineConfig(model=str(model), **(SMALL | overrides)))

    return make


@pytest.fixture(scope="session")
def alone(make_core):
    """The tokens of a request that has the engine to itself, whole prompt in one step."""
    core = make_core(page_size=16, max_step_tokens=512, prefix_caching=False)

    def run(prompt: list[int], params: SamplingParams, sample_index: int = 0) -> list[int]:
        core.add(request("alone", prompt, params, num_samples=sample_index + 1))
        return drain(core)["alone", sample_index].token_ids

    return run


@pytest.fixture(scope="session")
def oracle(tiny_llama: Path) -> Oracle:
    return Oracle.from_directory(tiny_llama)


@pytest.fixture(scope="session")
def tiny_mistral(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """A random Mistral whose every layer slides over 11 positions."""
    folder = tmp_path_factory.mktemp("tiny-mistral")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((tiny_llama / name).read_text())
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = MistralForCausalLM(
            MistralConfig(
                vocab_size=384,
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=3,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=16,
                max_position_embeddings=256,
                sliding_window=11,
            )
        )
        for parameter in model.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.12)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """A random Llama of seven layers, for those that leave some out."""
    folder = tmp_path_factory.mktemp("deep")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_llama / name, folder / name)
    config = LlamaConfig(
        vocab_size=384, hidden_size=64, intermediate_size=128, num_hidden_layers=7, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = LlamaForCausalLM(config)
        for parameter in model.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.12)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def judge(deep: Path) -> Oracle:
    return Oracle.from_directory(deep)


@pytest.fixture(scope="session")
def make_deep(make_core: CoreFactory, deep: Path) -> CoreFactory:
    """An engine over the deep model whose schedules nobody taught it."""

    def build(*variants: str, **settings) -> EngineCore:
        return make_core(model=deep, variants=variants, force_skip=True, **({"num_pages": 700} | settings))

    return build


class Replayed:
    """Stands for a CUDA graph where there is none: does the work again, into the same memory."""

    def __init__(self, work, outputs):
        self._work = work
        self._outputs = outputs

    def replay(self) -> None:
        fresh = self._work()
        for old, new in zip(self._outputs or (), fresh or (), strict=True):
            old.copy_(new)


@pytest.fixture
def static_steps(monkeypatch):
    """Captured steps on CPU: fixed buffers and padding as on a GPU, by interpreted kernels."""

    def record(work, memory):
        outputs = work()
        return Replayed(work, outputs), outputs

    monkeypatch.setattr(graphs, "record_graph", record)
    monkeypatch.setattr(mixed_graphs, "record_graph", record)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)

    def capture(core):
        def best(logits):
            peak, token_ids = logits.max(1)
            return token_ids, ~peak.isfinite()

        core.runner.executor.capture(best, core.info.max_rows, 16)
        return core

    return capture
