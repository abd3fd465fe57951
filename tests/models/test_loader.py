"""Checkpoints load whole or are refused with one sentence that says what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, OPTConfig, PreTrainedConfig, PreTrainedModel

from server.config import EngineConfig
from server.errors import ConfigError, ModelLoadError
from server.models.config import ModelConfig
from server.models.registry import BUILDERS, choose_device, choose_dtype, load_model
from tests.models.dense import load, run_sequence

SaveRandom = Callable[[PreTrainedConfig], tuple[PreTrainedModel, Path]]
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture
def checkpoint(save_random: SaveRandom) -> Path:
    _, directory = save_random(llama())
    return directory


def llama(**changes: object) -> LlamaConfig:
    shape = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32,
    }
    return LlamaConfig(**shape | changes)


def rewrite(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def refusal(directory: Path) -> str:
    with pytest.raises(ModelLoadError) as caught:
        load(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_sharded_checkpoint_is_the_same_model_as_a_single_file(save_random: SaveRandom, tmp_path: Path) -> None:
    reference, single = save_random(llama())
    sharded = tmp_path / "sharded"
    reference.save_pretrained(sharded, max_shard_size="10KB")
    assert len(list(sharded.glob("*.safetensors"))) > 2
    assert not (sharded / "model.safetensors").exists()

    torch.testing.assert_close(
        run_sequence(load(sharded), TOKENS, 4), run_sequence(load(single), TOKENS, 4), atol=0, rtol=0
    )


@pytest.mark.parametrize(
    ("config", "old", "new"),
    [
        (llama(), "model.", ""),
        (
            OPTConfig(vocab_size=50, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4),
            "model.",
            "",
        ),
    ],
)
def test_a_checkpoint_of_the_bare_model_loads_without_its_prefix(
    config: PreTrainedConfig, old: str, new: str, save_random: SaveRandom
) -> None:
    _, directory = save_random(config)
    expected = run_sequence(load(directory), TOKENS, 4)

    def rename(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[name.replace(old, new, 1)] = tensors.pop(name)

    rewrite(directory, rename)
    torch.testing.assert_close(run_sequence(load(directory), TOKENS, 4), expected, atol=0, rtol=0)


def test_a_tied_projection_is_taken_from_whichever_name_is_there(save_random: SaveRandom) -> None:
    _, directory = save_random(llama(tie_word_embeddings=True))
    expected = run_sequence(load(directory), TOKENS, 4)

    rewrite(directory, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}))
    torch.testing.assert_close(run_sequence(load(directory), TOKENS, 4), expected, atol=0, rtol=0)
    rewrite(directory, lambda tensors: tensors.pop("model.embed_tokens.weight"))
    torch.testing.assert_close(run_sequence(load(directory), TOKENS, 4), expected, atol=0, rtol=0)


def test_buffers_that_everybody_recomputes_are_ignored(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}))
    load(checkpoint)


def test_weights_are_cast_to_the_dtype_of_the_engine(checkpoint: Path) -> None:
    model = load(checkpoint, dtype="bfloat16")
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    logits = run_sequence(model, TOKENS, 4)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), run_sequence(load(checkpoint), TOKENS, 4), atol=0.3, rtol=0.1)


def test_a_missing_tensor_is_named(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.pop("model.layers.1.self_attn.k_proj.weight"))
    assert "has no tensor layers.1.self_attn.k_proj.weight; the checkpoint is incomplete" in refusal(checkpoint)


def test_an_untied_projection_must_be_there(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.pop("lm_head.weight"))
    assert "has no tensor lm_head.weight" in refusal(checkpoint)


def test_an_unexpected_tensor_is_named(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.update({"model.layers.7.mlp.up_proj.weight": torch.ones(2, 2)}))
    assert "has tensor model.layers.7.mlp.up_proj.weight, which this model has no place for" in refusal(checkpoint)


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.v_proj.weight", "model.norm.weight"])
def test_a_tensor_of_another_shape_is_named_with_both_shapes(name: str, checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.update({name: torch.ones(3, 5)}))
    assert f"tensor {name.removeprefix('model.')} has shape [3, 5], but config.json makes it [" in refusal(checkpoint)


def test_integer_weights_are_refused_as_quantised(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda tensors: tensors.update({"model.norm.weight": torch.ones(32, dtype=torch.int8)}))
    assert "tensor norm.weight holds int8 values" in refusal(checkpoint)


@pytest.mark.parametrize("keep_bytes", [0, 5, 300, -1])
def test_a_truncated_file_is_named(keep_bytes: int, checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep_bytes])
    assert f"{file} is truncated or no safetensors file" in refusal(checkpoint)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickled_weights_are_refused_with_the_way_to_convert_them(name: str, checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / name).write_bytes(b"\x80\x04K\x01.")
    message = refusal(checkpoint)
    assert f"pickled weights only ({name})" in message
    assert "save_pretrained" in message


def test_a_directory_without_weights_says_so(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    assert "has neither model.safetensors nor model.safetensors.index.json" in refusal(checkpoint)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}', "has no model-00001-of-00002.safetensors"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "names '../secret.safetensors', which is not a file name"),
        ('{"weight_map": []}', "is not a safetensors index"),
        ("{", "is not a safetensors index"),
    ],
)
def test_a_bad_index_is_refused(index: str, message: str, checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "model.safetensors.index.json").write_text(index)
    assert message in refusal(checkpoint)


@pytest.mark.parametrize("architecture", BUILDERS)
def test_dummy_weights_need_only_config_json_and_depend_only_on_the_seed(architecture: str, tmp_path: Path) -> None:
    values = {
        "architectures": [architecture],
        "vocab_size": 300,
        "hidden_size": 64,
        "ffn_dim": 96,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.05,
        "init_std": 0.05,
    }
    (tmp_path / "config.json").write_text(json.dumps(values))
    first, again, other = (load(tmp_path, load_format="dummy", seed=seed) for seed in (1, 1, 2))

    logits = run_sequence(first, TOKENS, 4)
    assert torch.isfinite(logits).all()
    assert torch.equal(logits, run_sequence(again, TOKENS, 4))
    assert not torch.equal(logits, run_sequence(other, TOKENS, 4))
    matrices = torch.cat([weight.flatten() for weight in first.parameters() if weight.dim() == 2])
    assert matrices.std().item() == pytest.approx(0.05, rel=0.02)
    norm = first.norm.weight.data  # type: ignore[attr-defined]
    assert torch.equal(norm, torch.ones(64))


def test_every_parameter_is_listed_once(checkpoint: Path) -> None:
    reference_size = sum(tensor.numel() for tensor in load_file(checkpoint / "model.safetensors").values())
    weights = list(load(checkpoint).parameters())
    assert sum(weight.numel() for weight in weights) == reference_size
    assert len({weight.data_ptr() for weight in weights}) == len(weights)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./no-such-dir", "is not a directory; check the path"),
        ("/no/such/dir", "is not a directory; check the path"),
        ("a b?c", "is neither a directory nor a hub name such as"),
        ("someone/no-such-model", "hub cannot be reached"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_one_line(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert message in refusal(Path(name) if name[0] == "/" else name)  # type: ignore[arg-type]


def test_a_file_is_no_model_directory(checkpoint: Path) -> None:
    assert "give the directory" in refusal(checkpoint / "config.json")


def test_a_length_beyond_the_checkpoints_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_model_len \(33\) is more than the 32 positions"):
        load(checkpoint, max_model_len=33)
    load(checkpoint, max_model_len=32)


@pytest.mark.parametrize("name", ["tpu", "mps", "cuda:99"])
def test_a_device_that_is_not_here_is_refused(name: str, checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        load_model(EngineConfig(str(checkpoint), device=name))


def test_auto_dtype_is_float32_on_cpu_and_the_checkpoints_own_on_gpu(checkpoint: Path) -> None:
    values = json.loads((checkpoint / "config.json").read_text()) | {"dtype": "bfloat16"}
    config = ModelConfig.from_dict(values)
    assert choose_dtype("auto", config, torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", config, torch.device("cuda")) == torch.bfloat16
    assert choose_dtype("float16", config, torch.device("cpu")) == torch.float16
    assert choose_device("cpu") == torch.device("cpu")
