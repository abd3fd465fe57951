"""What can be asked now, and what is missing for the rest."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from annotator.maps.access import missing
from annotator.maps.params import ToolName
from annotator.maps.provider import Provider
from annotator.settings import Settings


class ProviderStatus(BaseModel):
    """A provider as users see it.

    Args:
        missing: instructions, one each; empty when it is enabled.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    title: str
    family: str
    tools: tuple[ToolName, ...]
    is_enabled: bool
    missing: tuple[str, ...]
    is_embedded: bool
    licence: str
    attribution: str
    terms_url: str
    storage: str
    display: str
    export: str
    evaluation: str
    autocomplete: bool


def status_of(provider: Provider, settings: Settings, env: Mapping[str, str]) -> ProviderStatus:
    """One provider's status."""
    info, policy = provider.info, provider.info.policy
    todo = missing(info, settings, env)
    return ProviderStatus(
        key=info.key,
        title=info.title,
        family=info.family,
        tools=provider.tools,
        is_enabled=not todo,
        missing=tuple(todo),
        is_embedded=(info.base_url or "").startswith("osm://"),
        licence=info.licence,
        attribution=info.attribution,
        terms_url=info.terms_url,
        storage=policy.storage,
        display=policy.display,
        export=policy.export,
        evaluation=policy.evaluation,
        autocomplete=policy.autocomplete,
    )
