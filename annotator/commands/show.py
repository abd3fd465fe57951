"""Answers as tables in a terminal."""

from rich.console import Console
from rich.table import Table

from annotator.maps.answer import ToolAnswer
from annotator.maps.results import (
    AlongRoute,
    DistanceBearing,
    Matrix,
    OpenAt,
    Place,
    PlaceList,
    PlaceResult,
    Result,
    Route,
    RouteList,
)

console = Console(highlight=False)


def show_answer(answer: ToolAnswer) -> None:
    """Prints a result, and below it where it comes from."""
    _show(answer.result)
    for exchange in answer.provenance.exchanges:
        line(f"{exchange.outcome}: {answer.provider}, fetched {exchange.fetched_at}, sha256 {exchange.body_sha}")
        if exchange.data_vintage:
            line(exchange.data_vintage)
        for change in exchange.changes or ():
            line(f"  {change.kind} {change.pointer}: {change.old!r} -> {change.new!r}")
    line(answer.provenance.attribution)


def distance(metres: float | None) -> str:
    """A distance for people."""
    if metres is None:
        return ""
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.2f} km"


def duration(seconds: float | None) -> str:
    """A duration for people."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def line(text: str) -> None:
    """Prints one line as it is."""
    # Data is no markup, and a long line is the terminal's to wrap.
    console.print(text, markup=False, soft_wrap=True)


def _show(result: Result) -> None:
    match result:
        case PlaceList():
            _show_places(result.places)
            if result.total is not None and result.total > len(result.places):
                line(f"{len(result.places)} of {result.total}")
        case PlaceResult():
            _show_place(result.place)
        case RouteList():
            for route in result.routes:
                _show_route(route)
            if not result.routes:
                line(f"No route: {result.reason or 'there is no way'}")
        case AlongRoute():
            if result.route is None:
                line(f"No route: {result.reason or 'there is no way'}")
            else:
                line(f"{distance(result.route.distance_m)}, {duration(result.route.duration_s)} {result.route.summary}")
                _show_places(result.places)
        case Matrix():
            table = Table("", *(f"to {index + 1}" for index in range(len(result.cells[0]) if result.cells else 0)))
            for index, row in enumerate(result.cells):
                table.add_row(
                    f"from {index + 1}",
                    *(
                        "no way"
                        if cell.duration_s is None
                        else f"{duration(cell.duration_s)}\n{distance(cell.distance_m)}"
                        for cell in row
                    ),
                )
            console.print(table)
        case DistanceBearing():
            line(f"{distance(result.distance_m)} {result.compass} ({result.bearing_deg:g} degrees)")
        case OpenAt():
            comment = f" ({result.comment})" if result.comment else ""
            until = f", until {result.next_change}" if result.next_change else ""
            line(f"{result.state}{comment} at {result.local_time} {result.timezone}{until}")
            for warning in result.warnings:
                line(f"warning: {warning}")


def _show_places(places: tuple[Place, ...]) -> None:
    if not places:
        line("No place found. Try a larger radius, another type or other words.")
        return
    has_detour = any(place.detour for place in places)
    table = Table("", "name", "kind", "detour" if has_detour else "distance", "address")
    # An id that is cut short is of no use to anybody.
    table.add_column("id", overflow="fold")
    for index, place in enumerate(places, 1):
        kind = place.categories[0].replace("_", " ") if place.categories else place.kind or ""
        far = f"+{duration(place.detour.duration_s)}" if place.detour else distance(place.distance_m)
        table.add_row(str(index), _plain(place.name), _plain(kind), far, _plain(place.address or ""), _plain(place.pid))
    console.print(table)


def _show_place(place: Place | None) -> None:
    if place is None:
        line("There is no place with that id.")
        return
    table = Table(show_header=False)
    for name, value in place.model_dump(mode="json", exclude_none=True, exclude_defaults=True).items():
        if isinstance(value, dict):
            value = "\n".join(f"{key}: {item}" for key, item in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(str(item) for item in value)
        table.add_row(name, _plain(str(value)))
    console.print(table)


def _show_route(route: Route) -> None:
    line(f"{distance(route.distance_m)}, {duration(route.duration_s)}, {route.mode} {route.summary}")
    for leg in route.legs:
        for step in leg.steps:
            line(f"  {distance(step.distance_m):>8}  {step.text}")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
