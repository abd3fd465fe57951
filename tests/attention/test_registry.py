"""Which backend serves what, and what a user is told when none does."""

import sys
from dataclasses import replace

import pytest
import torch

from server.attention.backend import AttentionSpec
from server.attention.registry import backend_class, select_backend
from server.errors import ConfigError
from server.kv.formats import KV_FORMATS

SPEC = AttentionSpec(
    num_layers=2,
    num_heads=8,
    num_kv_heads=4,
    head_dim=32,
    scale=32**-0.5,
    dtype=torch.float32,
    kv_format=KV_FORMATS["float32"],
    device=torch.device("cpu"),
    page_size=16,
)


def test_auto_takes_the_first_backend_without_reasons() -> None:
    pytest.importorskip("numba")
    chosen, refusals = select_backend(SPEC)
    assert chosen is backend_class("cpu")
    assert refusals == {}


def test_auto_passes_over_a_backend_that_refuses_and_keeps_its_reasons() -> None:
    chosen, refusals = select_backend(replace(SPEC, dtype=torch.bfloat16, kv_format=KV_FORMATS["bfloat16"]))
    assert chosen is backend_class("torch")
    assert any("bfloat16" in reason for reason in refusals["cpu"])


def test_without_numba_the_reference_serves_and_the_refusal_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    chosen, refusals = select_backend(SPEC)
    assert chosen is backend_class("torch")
    assert "pip install numba" in refusals["cpu"][0]


def test_a_named_backend_is_taken_although_a_better_one_exists() -> None:
    chosen, refusals = select_backend(SPEC, "torch")
    assert chosen is backend_class("torch")
    assert refusals == {}


def test_naming_a_backend_that_refuses_is_an_error_with_its_reasons() -> None:
    with pytest.raises(ConfigError, match="bfloat16"):
        select_backend(replace(SPEC, dtype=torch.bfloat16), "cpu")


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="auto, cpu, torch, triton"):
        select_backend(SPEC, "flash")


def test_what_no_backend_can_do_is_an_error_with_every_reason() -> None:
    with pytest.raises(ConfigError, match=r"cpu: .*scores.*torch: .*scores"):
        select_backend(replace(SPEC, needs_scores=True))
