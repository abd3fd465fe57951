"""Which schedule is taught: a preset by its speed-up, or one in the language of `--variants`."""

from collections.abc import Mapping
from typing import Any

from server.depth.registry import EXIT_SCHEDULES
from server.depth.schedule import ExitSchedule, ScheduleContext
from server.depth.skip import Skip
from server.engine.variant_specs import parse_variant
from server.errors import ConfigError


def schedule_for(
    speedup: float, text: str | None, num_layers: int, carried: Mapping[str, Any] | None = None
) -> ExitSchedule:
    """The schedule in `text`, or without one the preset of `speedup`, for a model of so many layers.

    Args:
        carried: what the checkpoint was taught before, for a `text` without arguments.

    Raises:
        ConfigError: there is no such schedule.
    """
    if text is None:
        return Skip.of_speedup(speedup, num_layers)
    call = parse_variant(f"taught=full+{text}").schedule
    if call.name not in EXIT_SCHEDULES:
        raise ConfigError(f"there is no exit schedule {call.name!r}; known are {', '.join(EXIT_SCHEDULES)}")
    # What a checkpoint has not been taught is what it is taught here.
    context = ScheduleContext("taught", num_layers, carried, is_forced=True)
    return EXIT_SCHEDULES[call.name].build(call.arguments, context)
