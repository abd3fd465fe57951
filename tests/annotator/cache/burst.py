"""Records a burst of exchanges from several threads and says what is committed, until it is done or killed.

`burst.py URL NAME COUNT`: a line `exchange ID TEXT` or `tool_call ID TEXT` is printed once the database has it.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import request_key
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import ProviderInfo
from annotator.store.sessions import open_database

NUM_THREADS = 3

INFO = ProviderInfo(
    key="atlas",
    title="Atlas",
    family="atlas",
    namespace="atlas",
    version=1,
    base_url=None,
    licence="ODbL-1.0",
    attribution="Atlas",
)


def body_of(text: str) -> bytes:
    """The answer to a question, between its text and its text: short or many pages long, compressible or not."""
    number = int(text.rpartition("-")[2])
    size = (10, 600, 40_000)[number % 3]
    inside = os.urandom(size) if number % 2 else text.encode() * (size // len(text))
    return text.encode() + inside + text.encode()


def say(kind: str, name: str, text: str) -> None:
    # One write a line: lines of several threads do not mix, and none is left in a buffer by a kill.
    os.write(1, f"{kind} {name} {text}\n".encode())


def record(store: ExchangeStore, text: str) -> None:
    key = request_key("atlas", HttpCall("GET", "https://atlas.example/", query=(("q", text),)))
    recorded = store.record("live", INFO, key, HttpResponse(200, body_of(text), {}), 1)
    say("exchange", recorded.id, text)
    params = TextSearchParams(query=text)
    say("tool_call", store.record_tool_call(INFO, params, text.encode(), [recorded], "miss", 1), text)


def main() -> None:
    url, name, count = sys.argv[1:]
    store = ExchangeStore(open_database(url))
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        list(pool.map(lambda number: record(store, f"{name}-{number}"), range(int(count))))


if __name__ == "__main__":
    main()
