"""The exit schedule that a checkpoint was fine-tuned for: an entry of its `config.json`.

    "rhumb_exit_schedule": {"name": "skip", "max_layers": 20, "min_layers": 12, "warmup": 1, "horizon": 128,
                            "origin": "generation", "decay": "linear"}

`rhumb finetune skip` writes it, and a server reads it; other programs ignore it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.errors import ConfigError

KEY = "rhumb_exit_schedule"


def carried_schedule(model_dir: Path) -> Mapping[str, Any] | None:
    """What the checkpoint's config says, None where it says nothing.

    Raises:
        ConfigError: the entry is not an object with a name.
    """
    try:
        config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{model_dir / 'config.json'} cannot be read as JSON: {error}") from None
    entry = config.get(KEY)
    if entry is None:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ConfigError(
            f'{KEY} in {model_dir / "config.json"} must be an object with a name, such as {{"name": "skip", ...}}'
        )
    return entry
