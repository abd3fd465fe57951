"""The documents say what the code does: every setting, every path, every flag and the example in the README."""

import re
from pathlib import Path

import pytest
import typer
from pydantic.fields import FieldInfo

from server.bench.cli import app as bench_app
from server.engine.variant_specs import VARIANTS
from server.quality.cli import compare_app, judge_app, show_app
from server.settings import EngineSettings, ServerSettings, flag_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
DOCUMENTS += [f"docs/{name}.md" for name in ("serving", "api", "architecture", "gpu", "quality")]
SETTINGS = EngineSettings.model_fields | ServerSettings.model_fields


def row(name: str, setting: FieldInfo) -> str:
    """The line of a setting in the tables of docs/serving.md."""
    flag = "MODEL" if name == "model" else flag_of(name)
    match setting.default:
        case None | ():
            default = ""
        case tuple() as several:
            default = f"`{','.join(several)}`"
        case bool() as value:
            default = f"`{str(value).lower()}`"
        case float() as value:
            default = f"`{value:g}`"
        case value:
            default = f"`{value}`"
    return f"| `{flag}` | `RHUMB_{name.upper()}` | {default} | {setting.description} |"


def test_the_tables_of_settings_are_the_settings() -> None:
    documented = [line for line in (ROOT / "docs/serving.md").read_text().splitlines() if "`RHUMB_" in line]
    documented = [line for line in documented if line.startswith("|")]
    assert documented == [row(name, setting) for name, setting in SETTINGS.items()]


def measuring_flags() -> set[str]:
    """Every flag of every command of `rhumb bench`, and of `rhumb eval`."""
    commands = [*typer.main.get_command(bench_app).commands.values()]
    commands += [typer.main.get_command(app) for app in (judge_app, show_app, compare_app)]
    parameters = [parameter for command in commands for parameter in command.params]
    return {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_flag_variable_and_default_in_the_text_exists(document: str) -> None:
    # Commands and settings of MapQaTor are judged by its own tests.
    text = "\n".join(line for line in (ROOT / document).read_text().splitlines() if "mapqator" not in line.lower())
    own = {flag_of(name) for name in SETTINGS} | {f"--no-{flag_of(name)[2:]}" for name in SETTINGS}
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)) <= own | measuring_flags() | {"--no-"}
    assert set(re.findall(r"\bRHUMB_\w+", text)) <= {f"RHUMB_{name.upper()}" for name in SETTINGS}


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/duo.md", "docs/skip.md", "docs/kv-formats.md", "docs/maps.md"])
def test_every_path_and_link_in_the_text_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    links = [link for link in links if not link.startswith("https://")]
    assert all(((ROOT / document).parent / link).exists() for link in links), links
    paths = re.findall(r"`((?:server|tests|docs|benchmarks)/[\w./-]+)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_readme_lists_every_variant() -> None:
    section = (ROOT / "README.md").read_text().split("## Variants")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(VARIANTS)


def test_every_route_that_the_readme_and_the_api_page_name_is_served() -> None:
    from server.api import chat, completions, models, ops, status, tokenize

    served = {
        route.path for module in (chat, completions, models, ops, status, tokenize) for route in module.router.routes
    }
    served |= {route.path for route in ops.dev_router.routes} | {"/docs"}
    for document in ("README.md", "docs/api.md", "docs/serving.md", "docs/gpu.md"):
        text = (ROOT / document).read_text().split("Not there, and why")[0]
        named = set(re.findall(r"`(?:POST |GET )?(/[a-z][\w/.]*[\w])`", text))
        assert named <= served, named - served
