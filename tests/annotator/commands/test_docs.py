"""docs/maps.md says what the code does: every setting, every provider and its terms, every route, every command."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic.fields import FieldInfo

from annotator.app import build_app
from annotator.cli import app
from annotator.commands.serve import SETTINGS
from annotator.maps.provider import Policy
from annotator.maps.providers.registry import provider_keys, provider_type
from annotator.settings import Settings, flag_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/maps.md").read_text()


def settings_rows() -> list[str]:
    """The lines of the table of settings."""
    return [_setting_row(name, Settings.model_fields[name]) for name in ("data_dir", *SETTINGS)]


def _setting_row(name: str, field: FieldInfo) -> str:
    match field.get_default(call_default_factory=True, validated_data={}):
        case None | () | {}:
            default = ""
        case bool() as value:
            default = f"`{str(value).lower()}`"
        case Path():
            default = "`~/.local/share/mapqator`"
        case float() as value:
            default = f"`{value:g}`"
        case value:
            default = f"`{value}`"
    return f"| `{flag_of(name)}` | `MAPQATOR_{name.upper()}` | {default} | {field.description} |"


def provider_rows() -> list[str]:
    """The lines of the table of providers."""
    rows = []
    for key in provider_keys():
        kind = provider_type(key)
        info = kind.info
        keys = " ".join(f"`{name}`" for name in info.secret_envs)
        rows.append(f"| `{key}` | {', '.join(kind.operations)} | {keys} | {_terms(info.policy)} |")
    return rows


def _terms(policy: Policy) -> str:
    storage = {
        "keep": "kept for ever",
        "none": "never stored",
        "expire": f"kept {(policy.ttl_s or 0) // 86_400} days"
        + (", then place ids" if policy.after_expiry == "place_ids" else ""),
    }[policy.storage]
    export = {"full": "exported whole", "ids_only": "exported as ids", "forbidden": "not exported"}[policy.export]
    return f"{storage}; {export}"


def test_the_table_of_settings_is_the_settings() -> None:
    assert [line for line in PAGE.splitlines() if line.startswith("| `--")] == settings_rows()


def test_the_table_of_providers_is_the_registry() -> None:
    section = PAGE.split("## Providers")[1].split("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == provider_rows()


def test_every_route_that_the_page_names_is_served() -> None:
    served = {re.sub(r"\{[^}]*\}", "*", path) for path in build_app(Settings(town=False)).openapi()["paths"]}
    named = {re.sub(r"\{[^}]*\}|NAME|\bid\b", "*", path) for path in re.findall(r"`(?:GET |POST )(/[^`?]*)`", PAGE)}
    assert named
    assert named <= served | {"/api/tools/*", "/docs"}, named - served


@pytest.mark.parametrize("document", ["README.md", "docs/maps.md"])
def test_every_command_in_the_text_is_one_that_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    lines = [line.split("#")[0] for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
    lines += [code for code in re.findall(r"`(mapqator [^`]+)`", text) if "NAME" not in code and "FOLDER" not in code]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("mapqator ")]
    assert commands
    for arguments in commands:
        command: Any = typer.main.get_command(app)
        words = [word for word in arguments if not word.startswith("-")]
        for word in words:
            command = command.commands[word] if hasattr(command, "commands") else command
        assert not hasattr(command, "commands") or command.invoke_without_command, arguments
        known = {flag for option in command.params for flag in option.opts} | {"--help", "--version", "--data-dir"}
        assert {word for word in arguments if word.startswith("--")} <= known, arguments
