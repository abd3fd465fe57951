"""Arrays of integers in a file that is small and needs nothing but numpy and the standard library to be read.

A file is one line of JSON, which names the arrays with their types and shapes, and then each array's little-endian
bytes as an xz stream. Equal arrays give equal bytes.
"""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import ConfigError

FORMAT = "rhumb.arrays/1"
_PRESET = 6


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays of whole numbers, in the order of `arrays`; the folder must exist."""
    entries, streams = [], []
    for name, array in arrays.items():
        stream = lzma.compress(_little_endian(array).tobytes(), lzma.FORMAT_XZ, filters=_filters(array.itemsize))
        entries.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "num_bytes": len(stream)})
        streams.append(stream)
    header = json.dumps({"format": FORMAT, "arrays": entries}) + "\n"
    path.write_bytes(header.encode() + b"".join(streams))


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote.

    Raises:
        ConfigError: there is no such file, or it is damaged.
    """
    try:
        line, _, rest = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        if header["format"] != FORMAT:
            raise ConfigError(f"{path} is of the format {header['format']}, not {FORMAT}: pack the training set anew")
        arrays, at = {}, 0
        for entry in header["arrays"]:
            content = lzma.decompress(rest[at : at + entry["num_bytes"]])
            at += entry["num_bytes"]
            dtype = np.dtype(entry["dtype"]).newbyteorder("<")
            arrays[entry["name"]] = np.frombuffer(content, dtype).reshape(entry["shape"])
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. Pack the training set first.") from None
    except (ValueError, KeyError, TypeError, lzma.LZMAError):
        raise ConfigError(f"{path} is damaged: pack the training set anew") from None
    return arrays


def _little_endian(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _filters(item_bytes: int) -> list[dict[str, int]]:
    # A match begins where an item begins, and a byte is best told by its place within its item.
    place = {1: 0, 2: 1, 4: 2}[item_bytes]
    return [{"id": lzma.FILTER_LZMA2, "preset": _PRESET, "lp": place, "pb": place, "lc": 3 - place}]
