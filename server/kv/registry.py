"""KV policies by name. A new policy is one file and one line here."""

from server.kv.duo import Duo
from server.kv.full import Full
from server.kv.policy import KVPolicy

KV_POLICIES: dict[str, type[KVPolicy]] = {
    "full": Full,
    "duo": Duo,
}
