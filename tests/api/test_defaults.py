"""What a request leaves out: the model's generation_config.json, or OpenAI's defaults."""

import json
from pathlib import Path

import httpx
import pytest

from server.api.serving import SamplingDefaults
from server.errors import ConfigError


def test_a_model_sets_its_own_sampling_defaults(tmp_path: Path) -> None:
    assert SamplingDefaults.from_directory(tmp_path) == SamplingDefaults(1.0, 1.0, 0, 0.0, 1.0)
    content = {"temperature": 0.6, "top_k": 20, "top_p": None, "eos_token_id": 2}
    (tmp_path / "generation_config.json").write_text(json.dumps(content))
    assert SamplingDefaults.from_directory(tmp_path) == SamplingDefaults(temperature=0.6, top_k=20)


@pytest.mark.parametrize("text", ["{", '{"temperature": 9}', '{"top_p": "high"}', '{"top_p": NaN}'])
def test_a_broken_generation_config_says_how_to_do_without(tmp_path: Path, text: str) -> None:
    (tmp_path / "generation_config.json").write_text(text)
    with pytest.raises(ConfigError, match="--generation-config none"):
        SamplingDefaults.from_directory(tmp_path)


def test_a_prefix_is_shared_only_under_the_same_salt(client: httpx.Client) -> None:
    def cached(salt: str | None) -> int:
        body = {"prompt": list(range(60, 160)), "max_tokens": 1, "cache_salt": salt}
        usage = client.post("/v1/completions", json=body).json()["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    assert (cached("mine"), cached("mine"), cached("yours"), cached(None)) == (0, 96, 0, 0)
