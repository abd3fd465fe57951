"""The `full` schedule: every token runs every layer."""

from server.depth.schedule import ExitSchedule


class FullDepth(ExitSchedule):
    """One band of all layers."""

    name = "full"
    is_full = True

    def depth(self, generated_index: int) -> int:
        return 1

    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        return (0,)

    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        return True

    @property
    def identity(self) -> str:
        return "full"
