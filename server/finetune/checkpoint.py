"""Checkpoints of transformers: loaded to be taught, and written with the schedule in their configuration."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from server.depth.carried import KEY
from server.errors import ModelLoadError

_MAX_SHARD_SIZE = "5GB"
_COPIED_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "generation_config.json"),
    *("LICENSE*", "NOTICE*", "additional_chat_templates"),
)


def load_causal_model(directory: Path, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """The checkpoint in `directory`, which `ModelConfig` has found to be one that Rhumb serves.

    Raises:
        ModelLoadError: weights are missing, of other shapes, or not in safetensors files.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
        model, found = loaded
        moved: PreTrainedModel = model.to(device)
    except torch.OutOfMemoryError:
        raise ModelLoadError(f"{directory} does not fit on {device}; learn by --lora, or on a larger device") from None
    except Exception as error:  # Whatever transformers trips over, the user needs the same advice.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelLoadError(
            f"{directory} cannot be loaded: {reason}; give a whole checkpoint in safetensors"
        ) from None
    wrong = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
    if wrong:
        raise ModelLoadError(f"{directory} lacks {wrong[0]} or has it in another shape; fetch the checkpoint again")
    return moved


def write_checkpoint(
    model: PreTrainedModel, source: Path, target: Path, dtype: torch.dtype, schedule: Mapping[str, Any] | None
) -> None:
    """Write `model` as a whole checkpoint that is loaded like the one it comes from.

    Args:
        model: stays as it is; its weights are rounded to `dtype` in the files.
        source: the folder that it was loaded from; configuration, tokenizer and template are its own.
        target: an existing folder.
        schedule: what the configuration is to say of it; None for full depth.
    """
    tied = model._tied_weights_keys or {} if model.config.tie_word_embeddings else {}
    weights = {
        name: weight.detach().to("cpu", dtype) if weight.is_floating_point() else weight.cpu()
        for name, weight in model.state_dict().items()
        if name not in tied
    }
    # Without its configuration a folder is no checkpoint, so a run that is killed here leaves none behind.
    (target / "config.json").unlink(missing_ok=True)
    model.save_pretrained(target, state_dict=weights, max_shard_size=_MAX_SHARD_SIZE)
    (target / "config.json").unlink()
    for pattern in _COPIED_FILES:
        for path in source.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, target / path.name, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, target / path.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config.pop(KEY, None)
    if schedule is not None:
        config[KEY] = dict(schedule)
    partial = target / "config.json.partial"
    partial.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial.replace(target / "config.json")
