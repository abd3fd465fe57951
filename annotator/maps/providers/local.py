"""The tools that are computed here. They take the path of every other provider, so that they too leave evidence."""

import asyncio
from typing import ClassVar

import rfc8785

from annotator.errors import NotFoundError, UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.local import DATA_VINTAGE, LOCAL_TOOLS, VERSION
from annotator.maps.params import DistanceBearingParams, OpenAtParams, ToolName
from annotator.maps.provider import Operation, Provider, ProviderInfo, Responses
from annotator.maps.results import DistanceBearing, OpenAt
from annotator.maps.validate import parse_params, tool_name

KEY = "local"


def _build(
    provider: "Local", params: DistanceBearingParams | OpenAtParams, responses: Responses
) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    return (HttpCall("POST", f"{provider.base_url}/{params.tool}", json=params.canonical()),)


def _parse_distance(provider: "Local", params: DistanceBearingParams, responses: Responses) -> DistanceBearing:
    return DistanceBearing.model_validate(responses[0].json())


def _parse_open_at(provider: "Local", params: OpenAtParams, responses: Responses) -> OpenAt:
    return OpenAt.model_validate(responses[0].json())


class Local(Provider):
    """Straight-line distances and opening hours, computed by this program."""

    info = ProviderInfo(
        key=KEY,
        title="Computed here",
        family="local",
        namespace="local",
        version=VERSION,
        base_url=f"local://v{VERSION}",
        licence="CC0-1.0",
        attribution="Computed by MapQaTor",
    )
    operations: ClassVar = {
        "distance_bearing": Operation(_build, _parse_distance),
        "open_at": Operation(_build, _parse_open_at),
    }


class LocalTransport:
    """Answers `local://v{version}/{tool}`."""

    async def send(self, call: HttpCall) -> HttpResponse:
        """The computed result as canonical JSON (RFC 8785).

        Raises:
            InputError: opening hours that cannot be read.
        """
        version, _, tool = call.url.removeprefix("local://").partition("/")
        if version != f"v{VERSION}":
            raise NotFoundError(f"this program computes {tool} in version v{VERSION}, not {version}")
        name: ToolName = tool_name(tool)
        if name not in LOCAL_TOOLS:
            raise UpstreamFormatError(f"{tool} is not computed here")
        params = parse_params(name, call.json)
        result = await asyncio.to_thread(LOCAL_TOOLS[name], params)
        body = rfc8785.dumps(result.model_dump(mode="json", exclude_none=True))
        return HttpResponse(200, body, {"content-type": "application/json"}, data_vintage=DATA_VINTAGE)
