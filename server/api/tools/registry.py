"""The tool families by name, and which one a chat template speaks."""

from server.api.tools.hermes import HERMES
from server.api.tools.llama3_json import LLAMA3_JSON
from server.api.tools.parser import ToolFamily
from server.errors import ConfigError

FAMILIES: dict[str, ToolFamily] = {family.name: family for family in (HERMES, LLAMA3_JSON)}
_DEFAULT = HERMES


def get_family(name: str) -> ToolFamily:
    """The family of that name; raises `ConfigError` that lists the names there are."""
    family = FAMILIES.get(name)
    if family is None:
        raise ConfigError(f"unknown tool parser '{name}': choose one of {', '.join(sorted(FAMILIES))}")
    return family


def auto_select(template_source: str | None) -> str:
    """The name of the family whose markers stand in a chat template; Hermes where there are none."""
    for family in FAMILIES.values():
        if template_source is not None and any(marker in template_source for marker in family.template_markers):
            return family.name
    return _DEFAULT.name
