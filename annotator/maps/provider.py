"""The contract of a map provider: canonical parameters to HTTP calls, answers to canonical results, and its terms.

A provider is pure: it sends nothing, reads no clock and no environment, and the same recorded bytes always parse to the
same result. To add one, write a file in `providers/`, add a line to its registry, and describe its answers in a test;
packages outside this repository register a `Provider` subclass under the entry point group `mapqator.providers`.
"""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from annotator.errors import InputError, UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import ToolName, ToolParams
from annotator.maps.results import Result


@dataclass(frozen=True, slots=True)
class Policy:
    """What a provider's terms let us do with its content; enforced in code. Not legal advice.

    Args:
        storage: `keep` for ever, `expire` after `ttl_s`, or `none`: answers are passed on and never written down.
        ttl_s: seconds until stored content expires; None keeps it.
        after_expiry: what may stay of expired content.
        display: which maps its content may be drawn on.
        export: what datasets may hold of it.
        autocomplete: whether requests may follow single keystrokes.
        evaluation: whether its content may be put before a language model without the owner's explicit consent.
    """

    storage: Literal["keep", "expire", "none"] = "keep"
    ttl_s: int | None = None
    after_expiry: Literal["nothing", "place_ids"] = "nothing"
    display: Literal["any_map", "own_map_only"] = "any_map"
    export: Literal["full", "ids_only", "forbidden"] = "full"
    autocomplete: bool = True
    evaluation: Literal["allowed", "needs_consent"] = "allowed"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most one request every `interval_s` for the whole app on average, `burst` of them at once."""

    interval_s: float = 0.0
    burst: int = 1


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """Who a provider is and on what terms it answers.

    Args:
        key: name in flags, rows and URLs, such as `nominatim`.
        title: name for people.
        family: providers of one family share place ids, such as `osm`.
        namespace: what its place ids begin with, such as `osm`.
        version: of the adapter; goes up when `parse` gives other results for the same bytes.
        base_url: default address; None where the operator must give one.
        licence: of the content: SPDX id or a short name.
        attribution: the line that must be shown with its content.
        terms_url: where the terms are published.
        is_commercial: off until somebody enables it and brings a key.
        is_public_service: a shared server with a usage policy: off until enabled.
        needs_contact: the terms want a User-Agent that says whom to write to.
        secret_envs: names of the environment variables that hold its keys.
    """

    key: str
    title: str
    family: str
    namespace: str
    version: int
    base_url: str | None
    licence: str
    attribution: str
    terms_url: str = ""
    policy: Policy = field(default_factory=Policy)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    is_commercial: bool = False
    is_public_service: bool = False
    needs_contact: bool = False
    secret_envs: tuple[str, ...] = ()


type Responses = Sequence[HttpResponse]


@dataclass(frozen=True, slots=True)
class Operation:
    """How one provider answers one tool.

    Args:
        build: `(provider, params, responses so far) -> next calls`; called again with the answers until it gives none,
            so that a later call can depend on an earlier answer. Most need one round.
        parse: `(provider, params, responses) -> result`.
        refusals: `(provider, params) -> reasons` why these parameters cannot be honoured, in words for the user;
            nothing that was asked for is ever left out silently.
        applied_here: parameters that `parse` applies itself and that may therefore leave the calls as they are, such as
            a `limit` that the provider doesn't have. Every other parameter changes a call or is refused.
    """

    build: Callable[[Any, Any, Responses], Sequence[HttpCall]]
    parse: Callable[[Any, Any, Responses], Result]
    refusals: Callable[[Any, Any], list[str]] = lambda _provider, _params: []
    applied_here: frozenset[str] = frozenset()


class Provider(ABC):
    """Base of all providers; a subclass gives `info` and `operations`.

    Args:
        base_url: where it is, without a trailing slash; None takes the default. Only the operator can set it.
    """

    info: ProviderInfo
    operations: ClassVar[Mapping[ToolName, Operation]]

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = (base_url or self.info.base_url or "").rstrip("/")

    @property
    def tools(self) -> tuple[ToolName, ...]:
        """The tools it answers."""
        return tuple(self.operations)

    def refusals(self, tool: ToolName, params: ToolParams) -> list[str]:
        """Reasons why it cannot answer these parameters; empty when it can."""
        if tool not in self.operations:
            return [f"{self.info.title} has no {tool}; it has {', '.join(self.operations)}"]
        return self.operations[tool].refusals(self, params)

    def build(self, tool: ToolName, params: ToolParams, responses: Responses = ()) -> tuple[HttpCall, ...]:
        """The next calls, given the answers so far; empty when `parse` has all that it needs.

        Raises:
            UnsupportedError: with every reason of `refusals`.
            InputError: parameters that only this provider finds wrong, such as another provider's place id.
            UpstreamFormatError: an earlier answer lacks what the next call needs.
        """
        if not responses and (reasons := self.refusals(tool, params)):
            raise UnsupportedError("; ".join(reasons))
        return tuple(self.operations[tool].build(self, params, responses))

    def parse(self, tool: ToolName, params: ToolParams, responses: Responses) -> Result:
        """The canonical result.

        Raises:
            UpstreamFormatError: an answer is not in the documented shape.
            UpstreamError: an answer is an error in disguise (status 200, error inside).
        """
        return self.operations[tool].parse(self, params, responses)

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """Whether `parse` takes this response. Some say "no route" or "no such place" with a 4xx: those are answers."""
        return 200 <= response.status < 300

    def error_message(self, response: HttpResponse) -> str:
        """The provider's own words in an error response, for the user; empty when there are none."""
        return ""

    def data_vintage(self, response: HttpResponse) -> str | None:
        """Age and version of the data behind an answer, where the answer says so; recorded with it."""
        return None

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Native ids of the places in a response: all that may stay when content expires to its ids."""
        return ()

    def native_id(self, place_id: str) -> str:
        """The provider's own id in a canonical one.

        Raises:
            InputError: the id belongs to another family of providers.
        """
        namespace, _, native = place_id.partition(":")
        if namespace != self.info.namespace or not native:
            raise InputError(
                f"'{place_id}' is a place of '{namespace}', and {self.info.title} knows only ids that begin with "
                f"'{self.info.namespace}:'",
                param="place_id",
            )
        return native

    def pid(self, native_id: str) -> str:
        """The canonical id of a provider's own."""
        return f"{self.info.namespace}:{native_id}"
