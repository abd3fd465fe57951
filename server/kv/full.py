"""The `full` policy: every group keeps what the model itself can see."""

from server.kv.plan import Group
from server.kv.policy import ALL, KVPolicy, Retention, window


class Full(KVPolicy):
    """Keeps all positions, or the model's own sliding window where a layer has one."""

    name = "full"
    is_uniform = True

    def retention(self, group: Group) -> Retention:
        return ALL if group.sliding_window is None else window(sinks=0, recent=group.sliding_window)

    @property
    def description(self) -> str:
        return "every head keeps what the model itself sees"

    @property
    def prefix_namespace(self) -> str:
        return "dense"
