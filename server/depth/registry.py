"""Exit schedules by name. A new schedule is one file and one line here."""

from server.depth.full import FullDepth
from server.depth.schedule import ExitSchedule
from server.depth.skip import Skip

EXIT_SCHEDULES: dict[str, type[ExitSchedule]] = {
    "full": FullDepth,
    "skip": Skip,
}
