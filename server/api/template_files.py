"""Where a model's directory keeps its chat templates and special tokens."""

import json
from pathlib import Path
from typing import Any

from server.errors import ModelLoadError

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_CONFIG = "tokenizer_config.json"


def template_sources(directory: Path) -> dict[str, str]:
    """The model's templates by name; empty if it brings none."""
    sources = {}
    main = directory / "chat_template.jinja"
    if main.is_file():
        sources["default"] = _read_text(main)
    for path in sorted(directory.glob("additional_chat_templates/*.jinja")):
        sources[path.stem] = _read_text(path)
    if sources:
        return sources
    template = _read_json(directory / "chat_template.json").get("chat_template")
    template = template or _read_json(directory / _CONFIG).get("chat_template")
    if isinstance(template, str):
        return {"default": template}
    if isinstance(template, list):
        template = {item.get("name"): item.get("template") for item in template if isinstance(item, dict)}
    if isinstance(template, dict) and all(isinstance(x, str) for pair in template.items() for x in pair):
        return template
    if template:
        raise ModelLoadError(f"{directory}: 'chat_template' must be a text or a list of named texts")
    return {}


def special_tokens(directory: Path) -> dict[str, str]:
    """The named special tokens as texts. Files hold them as a text or as an object with its `content`."""
    tokens = {}
    # The config is the newer of the two, so it has the last word.
    for source in (_read_json(directory / "special_tokens_map.json"), _read_json(directory / _CONFIG)):
        for name in SPECIAL_TOKENS:
            value = source.get(name)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                tokens[name] = text
    return tokens


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"cannot read {path}: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(_read_text(path))
    except ValueError as error:
        raise ModelLoadError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"{path} must hold a JSON object")
    return value
