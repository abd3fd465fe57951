"""Canonical JSON (RFC 8785) and sha256, the two by which everything recorded is named."""

import hashlib
import json
from typing import Any

import rfc8785

from annotator.errors import InputError

_MAX_INTEGER = 2**53 - 1
_MIN_FLOAT = 1e-4
"""Below it Python writes an exponent where RFC 8785 writes digits."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> bytes:
    """Canonical JSON of a value.

    Almost every value is one that Python's own encoder, written in C, gives the same bytes for; the rest is left to
    `rfc8785`, which takes about three times as long.

    Raises:
        InputError: it holds what JSON cannot: NaN, infinity, a whole number beyond 2^53, half a surrogate pair.
    """
    try:
        return _encode(_plain(value)).encode()
    except (_UnusualError, UnicodeEncodeError, TypeError):
        pass
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InputError(f"the request cannot be written as JSON: {error}") from None


def sha256_hex(data: bytes) -> str:
    """The name of some bytes."""
    return hashlib.sha256(data).hexdigest()


class _UnusualError(Exception):
    """A value that Python's encoder would write otherwise than RFC 8785, or not refuse."""


def _plain(value: Any) -> Any:
    """The value with its whole numbers as integers, if Python's encoder then writes it as RFC 8785 does."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        # Keys are sorted by code points; RFC 8785 sorts them by UTF-16, which is the same for these.
        if not all(map(str.isascii, value)):
            raise _UnusualError
        return {key: _plain(part) for key, part in value.items()}
    if kind is list or kind is tuple:
        return [_plain(part) for part in value]
    if kind is float and (_MIN_FLOAT <= abs(value) <= _MAX_INTEGER or value == 0):
        return int(value) if value.is_integer() else value
    if kind is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return value
    raise _UnusualError
