"""What the routes of calls, contexts and recordings share: people, ids, pages of lists, providers."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from annotator.errors import NotFoundError
from annotator.maps.catalogue import Catalogue
from annotator.maps.provider import ProviderInfo

UlidPath = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="A ULID.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]


class PersonOut(BaseModel):
    """Somebody."""

    model_config = ConfigDict(frozen=True)

    username: str
    display_name: str


def provider_info(catalogue: Catalogue, key: str) -> ProviderInfo | None:
    """What a provider says of itself; None for one that this installation no longer has."""
    try:
        return catalogue.get(key).info
    except NotFoundError:
        return None
