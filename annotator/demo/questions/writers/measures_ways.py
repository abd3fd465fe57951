"""Ways to ask about routes, their parts, and detours: fragments as in `measures`."""

from annotator.demo.questions.writers.measures import Measure

WAY_TIME = Measure(
    "s",
    (
        "How long does {x} take?",
        "What is the travel time for {x}?",
        "How much time does one need for {x}?",
        "How many minutes does {x} last?",
        "Somebody takes {x}. How much time passes?",
    ),
    ("{v} in time", "a matter of {v}", "a trip of {v}", "{v} of travel", "done in {v}"),
    ("shorter in travel time", "quicker", "a shorter trip in time", "fewer minutes long", "less long in time"),
    ("longer in travel time", "slower", "a longer trip in time", "more minutes long", "longer in time"),
    ("shortest in travel time", "quickest", "shortest trip in time", "fewest minutes long", "shortest one in time"),
    ("longest in travel time", "slowest", "longest trip in time", "most minutes long", "longest one in time"),
    ("at most {v}", "no more than {v} in time", "a trip of {v} or less", "not over {v}", "done within {v}"),
    ("more than {v}", "over {v} in time", "a trip of more than {v}", "above {v}", "not done within {v}"),
)
"""Time of a way such as `the way from A to B on foot`."""

WAY_LENGTH = Measure(
    "m",
    (
        "How long is {x}, as a distance?",
        "What is the length of {x}?",
        "How far does one go on {x}?",
        "What distance does {x} cover?",
        "Somebody takes {x}. How far is that?",
    ),
    ("{v} long", "a distance of {v}", "a way of {v}", "{v} in length", "{v} from end to end"),
    ("shorter as a distance", "shorter in distance", "a shorter way", "fewer metres long", "a smaller distance"),
    ("longer as a distance", "longer in distance", "a longer way", "more metres long", "a greater distance"),
    ("shortest as a distance", "shortest in distance", "shortest way", "fewest metres long", "smallest distance"),
    ("longest as a distance", "longest in distance", "longest way", "most metres long", "greatest distance"),
    (
        "at most {v} long",
        "no longer than {v}",
        "a way of {v} or less",
        "not over {v} in distance",
        "within {v} in length",
    ),
    ("more than {v} long", "longer than {v}", "a way of more than {v}", "over {v} in distance", "beyond {v} in length"),
)
"""Length of a way such as `the way from A to B on foot`."""


def detour_time(way: str) -> Measure:
    """What stopping at a place on a way costs in time."""
    on = f"on the way {way}"
    return Measure(
        "s",
        (
            f"How long is the detour to {{x}} {on}, in time?",
            f"How much time does a stop at {{x}} add {on}?",
            f"How much longer does one travel by calling at {{x}} {on}?",
            f"What does {{x}} cost in additional time {on}?",
            f"Somebody stops at {{x}} {on}. How much time does that add?",
        ),
        (
            f"a detour of {{v}} {on}",
            f"{{v}} of extra time {on}",
            f"a stop that adds {{v}} {on}",
            f"an extra {{v}} {on}",
            f"{{v}} more {on}",
        ),
        (
            f"a smaller detour in time {on}",
            f"less extra time {on}",
            f"a quicker detour {on}",
            f"less of a delay {on}",
            f"a shorter delay {on}",
        ),
        (
            f"a larger detour in time {on}",
            f"more extra time {on}",
            f"a slower detour {on}",
            f"more of a delay {on}",
            f"a longer delay {on}",
        ),
        (
            f"smallest detour in time {on}",
            f"least extra time {on}",
            f"quickest detour {on}",
            f"least delay {on}",
            f"shortest delay {on}",
        ),
        (
            f"largest detour in time {on}",
            f"most extra time {on}",
            f"slowest detour {on}",
            f"greatest delay {on}",
            f"longest delay {on}",
        ),
        (
            f"a detour of at most {{v}} {on}",
            f"at most {{v}} of extra time {on}",
            f"a delay of {{v}} or less {on}",
            f"no more than {{v}} of delay {on}",
            f"a stop that adds {{v}} at most {on}",
        ),
        (
            f"a detour of more than {{v}} {on}",
            f"over {{v}} of extra time {on}",
            f"a delay of more than {{v}} {on}",
            f"above {{v}} of delay {on}",
            f"a stop that adds more than {{v}} {on}",
        ),
    )


def offset(way: str) -> Measure:
    """How far along a way a place is reached."""
    on = f"on the way {way}"
    return Measure(
        "m",
        (
            f"After how many m is {{x}} reached {on}?",
            f"How far has one gone {on} when one comes to {{x}}?",
            f"At what distance from the start does one pass {{x}} {on}?",
            f"How far along is {{x}} {on}?",
            f"Somebody is {on}. How far is it from the start to {{x}}?",
        ),
        (
            f"reached after {{v}} {on}",
            f"{{v}} along {on}",
            f"{{v}} from the start {on}",
            f"passed after {{v}} {on}",
            f"met {{v}} into the trip {on}",
        ),
        (
            f"reached earlier {on}",
            f"less far along {on}",
            f"nearer to the start {on}",
            f"passed sooner {on}",
            f"closer to where one starts {on}",
        ),
        (
            f"reached later {on}",
            f"farther along {on}",
            f"farther from the start {on}",
            f"passed later {on}",
            f"less close to where one starts {on}",
        ),
        (
            f"first one reached {on}",
            f"least far along {on}",
            f"nearest one to the start {on}",
            f"earliest one passed {on}",
            f"closest one to where one starts {on}",
        ),
        (
            f"last one reached {on}",
            f"farthest along {on}",
            f"farthest one from the start {on}",
            f"latest one passed {on}",
            f"least close one to where one starts {on}",
        ),
        (
            f"reached after at most {{v}} {on}",
            f"no more than {{v}} along {on}",
            f"within {{v}} of the start {on}",
            f"passed in the first {{v}} {on}",
            f"met before {{v}} are done {on}",
        ),
        (
            f"reached after more than {{v}} {on}",
            f"more than {{v}} along {on}",
            f"beyond {{v}} from the start {on}",
            f"not passed in the first {{v}} {on}",
            f"met after more than {{v}} {on}",
        ),
    )
