"""Canonical JSON (RFC 8785) and sha256, the two by which everything recorded is named."""

import hashlib
from typing import Any

import rfc8785

from annotator.errors import InputError


def canonical(value: Any) -> bytes:
    """Canonical JSON of a value.

    Raises:
        InputError: it holds what JSON cannot: NaN, infinity, a whole number beyond 2^53, half a surrogate pair.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InputError(f"the request cannot be written as JSON: {error}") from None


def sha256_hex(data: bytes) -> str:
    """The name of some bytes."""
    return hashlib.sha256(data).hexdigest()
