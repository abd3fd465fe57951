"""The head pattern beside the embedded model: what it calls retrieval heads find things, streaming heads do not."""

import pytest

from server.assets import EMBEDDED_MODEL, EMBEDDED_VARIANTS
from server.config import EngineConfig
from server.kv.patterns import read_pattern
from server.quality.evaluation import Inputs, make_items
from server.quality.items import Record
from server.quality.local import LocalModel
from server.quality.plan import TaskSettings

STREAMING = "streaming=duo(sparsity=1)"
VARIANTS = (*EMBEDDED_VARIANTS, STREAMING)


def test_the_pattern_has_a_gate_for_every_kv_head_of_the_model() -> None:
    pattern = read_pattern(EMBEDDED_MODEL / "duo")
    assert tuple(pattern.scores.shape) == (10, 5)
    # Some heads are surely one kind, and some surely the other.
    assert (pattern.scores > 0.9).sum() >= 5
    assert (pattern.scores < 0.1).sum() >= 25


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """Outcomes of four pass keys in 1,500 tokens, by variant."""
    settings = TaskSettings(
        tasks="passkey", passkey_lengths="1500", passkey_depths="20,40", passkey_repeats=2, max_reply=16
    )
    config = EngineConfig(str(EMBEDDED_MODEL), device="cpu", num_threads=1, num_pages=4000, variants=VARIANTS)
    model = LocalModel(config)
    items = make_items(settings, Inputs.read(settings), model)
    outcomes = {}
    for variant in VARIANTS:
        records: list[Record] = []
        name = variant.partition("=")[0]
        model.run(items, name, records.append)
        outcomes[name] = [record.outcome for record in records]
    return outcomes


def test_half_and_a_quarter_of_the_heads_find_pass_keys_as_all_do(found: dict[str, list[str]]) -> None:
    assert found["full"] == found["duo"] == found["duo25"] == ["right"] * 4


def test_heads_that_stream_everywhere_find_none(found: dict[str, list[str]]) -> None:
    assert "right" not in found["streaming"]
