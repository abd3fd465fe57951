"""All providers of this installation: those over HTTP, the maps on this machine, and what is computed here."""

import logging
import os
from collections.abc import Mapping

from annotator.errors import ConfigError, NotFoundError, ProviderDisabledError
from annotator.maps.access import missing, rate_limit
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.params import ToolName
from annotator.maps.provider import Provider, RateLimit
from annotator.maps.providers import local
from annotator.maps.providers.embedded import Embedded
from annotator.maps.providers.registry import provider_keys, provider_type
from annotator.maps.status import ProviderStatus, status_of
from annotator.settings import Settings

logger = logging.getLogger("mapqator")


class Catalogue:
    """Finds providers by key and says which may be asked.

    Args:
        settings: what the operator enabled, and addresses of their own services.
        library: the maps on this machine.
        env: where providers' keys are looked for; only their presence is asked here.

    Raises:
        ConfigError: a setting names a provider that does not exist.
    """

    def __init__(self, settings: Settings, library: MapLibrary, env: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._library = library
        self._env = os.environ if env is None else env
        for key in (*settings.enable, *settings.urls):
            if key not in provider_keys():
                raise ConfigError(f"there is no provider '{key}' to enable; there are {', '.join(provider_keys())}")
        self._remote: dict[str, Provider] = {}
        for key in provider_keys():
            try:
                self._remote[key] = provider_type(key)(settings.urls.get(key))
            except NotFoundError as error:
                # Somebody else's package is broken; that is no reason to do without all the others.
                logger.warning("%s", error.message)
        self._local = local.Local()

    def providers(self) -> list[Provider]:
        """Every provider: maps on this machine first, then the ones over HTTP."""
        return [*(Embedded(manifest) for manifest in self._library.manifests()), *self._remote.values()]

    def get(self, key: str) -> Provider:
        """The provider of that key, enabled or not.

        Raises:
            NotFoundError: there is none.
        """
        if key == local.KEY:
            return self._local
        found = self._remote.get(key) or next((item for item in self.providers() if item.info.key == key), None)
        if found is None:
            raise NotFoundError(f"there is no provider '{key[:64]}'; `mapqator providers` lists them")
        return found

    def missing(self, provider: Provider) -> list[str]:
        """What is to be done before it may be asked."""
        return missing(provider.info, self._settings, self._env)

    def require_enabled(self, provider: Provider) -> None:
        """Raises `ProviderDisabledError` with what is missing if the provider may not be asked."""
        if todo := self.missing(provider):
            raise ProviderDisabledError(f"{provider.info.title} is not enabled; {'; '.join(todo)}")

    def rate_limit(self, provider: Provider) -> RateLimit:
        """The pace at which it may be asked."""
        return rate_limit(provider.info, self._settings)

    def default_key(self, tool: ToolName) -> str:
        """Who answers a tool when the caller names nobody.

        Raises:
            NotFoundError: there is no map, and no default is set.
        """
        if tool in self._local.operations:
            return local.KEY
        if self._settings.provider:
            return self._settings.provider
        manifests = self._library.manifests()
        if not manifests:
            raise NotFoundError("there is no map yet; build one with `mapqator map build FILE`, or name a provider")
        return max(manifests, key=lambda manifest: manifest.built_at).name

    def statuses(self) -> list[ProviderStatus]:
        """All providers as users see them."""
        return [status_of(provider, self._settings, self._env) for provider in self.providers()]
