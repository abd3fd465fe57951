"""Who may be asked: a provider's terms against what the operator has set. Terms are code."""

from collections.abc import Mapping

from annotator.maps.provider import ProviderInfo, RateLimit
from annotator.settings import Settings


def is_self_hosted(info: ProviderInfo, settings: Settings) -> bool:
    """Whether the operator gave an address of their own, to which the public service's usage policy does not apply."""
    return info.key in settings.urls


def missing(info: ProviderInfo, settings: Settings, env: Mapping[str, str]) -> list[str]:
    """What the operator still has to do before a provider is asked, one instruction each; empty when it is enabled."""
    own = is_self_hosted(info, settings)
    todo = []
    if info.base_url is None and not own:
        todo.append(f"give its address: MAPQATOR_URLS__{info.key.upper()}=http://...")
    elif info.key not in settings.enable and (info.is_commercial or (info.is_public_service and not own)):
        terms = f" (its terms: {info.terms_url})" if info.terms_url else ""
        todo.append(f"enable it: MAPQATOR_ENABLE={','.join((*settings.enable, info.key))}{terms}")
    if info.needs_contact and not own and not settings.contact:
        todo.append("say whom it may write to: MAPQATOR_CONTACT=you@example.org")
    if info.is_commercial or not own:
        todo.extend(f"set its key: {name}" for name in info.secret_envs if not env.get(name))
    return todo


def rate_limit(info: ProviderInfo, settings: Settings) -> RateLimit:
    """The pace at which a provider may be asked."""
    return RateLimit() if is_self_hosted(info, settings) and not info.is_commercial else info.rate_limit


def user_agent(version: str, settings: Settings) -> str:
    """How we name ourselves to providers: the program, its version, and whom to write to."""
    return f"MapQaTor/{version}" + (f" (+{settings.contact})" if settings.contact else "")
