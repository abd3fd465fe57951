"""Which tasks are learned when: stages that end when their tasks are mastered, never by time alone.

Looking things up in context does not come by itself: it needs many small steps, few symbols and short rows first, and
longer rows only when the shorter ones are right. A plan is data: `train.py --print-plan` writes it as JSON, and
`--plan FILE` reads it back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from server.assets.training.rows import BUCKETS
from server.errors import ConfigError

TASKS = (
    *("copying", "lookup", "records", "smallest"),  # random strings
    *("choose", "compare"),  # random strings and amounts, with the words of questions
    *("passkey", "passkeys", "books"),  # from the stream of books
    *("questions", "dialogues"),  # shards
)
ALL_WORDS = 4096
"""As an alphabet: every word there is."""
ANSWER_WEIGHT = 3.0
"""Of what follows "Answer:" in map questions: a sixth of what the assistant writes, most of which is quoted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One task of a stage, at one length. A step learns from one part.

    Args:
        task: one of `TASKS`.
        length: tokens of a row; for shards one of `rows.BUCKETS`.
        share: how often it comes, relative to the stage's other parts.
        goal: accuracy of its answers' tokens, in [0, 1], that the stage waits for; None where it does not wait.
        options: keyword arguments of the task; for shards `only`, see `DeviceRows.rows_of`, and `answer_weight`, see
            `stress_answers`.
    """

    task: str
    length: int
    share: float = 1.0
    goal: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Tells parts apart in curves: the task, its length, and its options."""
        told = ",".join(f"{key}={value}" for key, value in sorted(self.options.items()))
        return f"{self.task}@{self.length}" + (f"[{told}]" if told else "")


@dataclass(frozen=True, slots=True)
class Stage:
    """Tasks that are learned together.

    Args:
        name: unique in its plan.
        parts: what steps are drawn from.
        tokens_per_step: rows of a step times their length, about.
        min_steps: fewest steps, even if all is known already.
        max_steps: after so many the next stage begins with a warning; None for as long as the run lasts.
        lr_scale: of the learning rate.
    """

    name: str
    parts: tuple[Part, ...]
    tokens_per_step: int = 18_432
    min_steps: int = 200
    max_steps: int | None = 6_000
    lr_scale: float = 1.0

    def rows_of(self, part: Part) -> int:
        """Rows of a step that learns from `part`."""
        return max(1, self.tokens_per_step // part.length)


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages and the learning rate's course: a linear warm-up, then constant, then a linear decay to nothing.

    Hu et al., "MiniCPM" (2024), call this warmup-stable-decay: one can go on from any point before the decay. The decay
    is the last share of a run, asked for with `--decay-share`.

    Args:
        stages: in order.
        peak_lr: before `Stage.lr_scale`.
        warmup_steps: of the first stage.
        record_every: steps of a point of the curves; promotion and the clock are looked at as often.
        window: points whose mean accuracy is compared with a goal.
    """

    stages: tuple[Stage, ...]
    peak_lr: float = 3e-3
    warmup_steps: int = 200
    record_every: int = 25
    window: int = 4

    def stage_named(self, name: str) -> int:
        """The number of a stage; raises `ConfigError` if there is none of the name."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise ConfigError(f"the plan has no stage {name!r}; it has {', '.join(names)}")
        return names.index(name)


def default_plan() -> Plan:
    """The course that makes the embedded model; `benchmarks/training/` holds the experiments behind it."""
    # A row of few words is easy to begin with. They are others in every row: were they the same, all the other words
    # would become alike meanwhile (see `Network`).
    few = Part("copying", 96, options={"alphabet": ALL_WORDS, "row_alphabet": 32})
    every = Part("copying", 128, options={"alphabet": ALL_WORDS})
    lookup = Part("lookup", 128, options={"alphabet": ALL_WORDS, "max_fact_share": 0.5})
    # Keeps the other tokens, marks and endings of words, in play.
    text = Part("books", 128, 0.1)
    return Plan(
        (
            Stage("copying", (replace(few, goal=0.95),)),
            Stage("copying-all", (replace(every, goal=0.9), replace(few, share=0.1), text)),
            Stage("lookup", (replace(lookup, goal=0.9), replace(every, share=0.1), text), max_steps=8_000),
            _facts("facts-128", 128, tokens=18_432, max_steps=6_000),
            _facts("facts-256", 256, tokens=18_432, max_steps=4_000),
            _facts("facts-512", 512, tokens=32_768, max_steps=3_000),
            _facts("facts-1024", 1024, tokens=32_768, max_steps=3_000),
            _questions("questions-1024", 1024, only="VERBATIM+!JSON", goal=0.9, tokens=32_768, max_steps=4_000),
            _questions("questions-2048", 2048, only="", goal=0.85, tokens=32_768, max_steps=4_000),
            _questions("questions-8192", 8192, only="", goal=0.85, tokens=65_536, max_steps=3_000),
            _questions("questions-16384", 16_384, only="", goal=None, tokens=65_536, max_steps=None),
        )
    )


def _facts(name: str, length: int, *, tokens: int, max_steps: int) -> Stage:
    """Keys and values of several tokens, near ones, records, numbers, choices, and the first natural text."""
    strings = {"alphabet": ALL_WORDS, "longest_key": 3, "longest_value": 4}
    shorter = [Part("lookup", n, 0.1, options=strings | {"style": "list"}) for n in _below(length, 64)]
    return Stage(
        name,
        (
            Part("lookup", length, 1.0, 0.9, strings | {"style": "list", "near_share": 0.25}),
            Part("lookup", length, 0.3, None, strings | {"style": "json", "near_share": 0.25}),
            Part("lookup", length, 0.2, None, strings | {"style": "prose"}),
            Part("records", length, 0.6, 0.8, strings),
            Part("smallest", length, 0.3, None, {"alphabet": ALL_WORDS, "longest_key": 2, "longest_number": 4}),
            Part("copying", length, 0.1, None, {"alphabet": ALL_WORDS}),
            Part("books", length, 0.3),
            *_choices(length, 0.5),
            *shorter,
        ),
        tokens_per_step=tokens,
        max_steps=max_steps,
    )


def _questions(name: str, longest: int, *, only: str, goal: float | None, tokens: int, max_steps: int | None) -> Stage:
    """Map questions up to a length, with everything before them at every length so that nothing is forgotten."""
    strings = {"alphabet": ALL_WORDS, "longest_key": 3, "longest_value": 4}
    options: dict[str, Any] = {"answer_weight": ANSWER_WEIGHT} | ({"only": only} if only else {})
    parts: list[Part] = []
    for length in [*_below(longest, 256), longest]:
        share = 1.0 if length == longest else 0.5
        parts += [
            Part("questions", length, share, goal if length == longest else None, options),
            Part("dialogues", length, 0.1 * share),
            Part("books", length, 0.25 * share),
            Part("lookup", length, 0.1 * share, None, strings | {"style": "list", "near_share": 0.25}),
            Part("records", length, 0.1 * share, None, strings),
            Part("smallest", length, 0.05 * share, None, {"alphabet": ALL_WORDS, "longest_key": 2}),
            Part("passkey", length, 0.1 * share),
        ]
        if length >= 1024:
            parts.append(Part("passkeys", length, 0.05 * share))
        if length <= 1024:
            parts += _choices(length, 0.25 * share)
    return Stage(name, tuple(parts), tokens_per_step=tokens, max_steps=max_steps)


def _choices(length: int, share: float) -> Iterator[Part]:
    """Choosing and comparing, in rows of up to 1,024 tokens: short ones have more answers for the same work.

    Letters are what map questions fail at longest: a reply quotes what is right, and then names another letter. A row
    that could hold two questions with instructions has them as turns every other time.
    """
    names = {"alphabet": ALL_WORDS, "longest_key": 3}
    ways = [(False, share)] if length < 512 else [(False, share / 2), (True, share / 2)]
    for has_turns, part in ways:
        turns = {"has_turns": True} if has_turns else {}
        values = names | {"longest_value": 5} | turns
        yield Part("choose", length, 0.7 * part, None, values)
        # Found from its value, a name is the wrong one more often than any letter is.
        yield Part("choose", length, 0.3 * part, None, values | {"asks": "name_of"})
        # An amount in brackets behind another takes a longer row than a name does.
        yield Part("compare", max(256, length), part, None, names | turns)


def _below(length: int, shortest: int) -> Iterator[int]:
    return (bucket for bucket in BUCKETS if shortest <= bucket < length)


def reached(parts: Sequence[Part], records: Iterable[Mapping[str, Any]], window: int) -> dict[str, float] | None:
    """Mean accuracies of the parts that have goals, over the last `window` points each, if all goals are reached.

    Args:
        parts: of the stage, those that there is something to draw for.
        records: points of the stage's curve, in order; `parts` maps a part's name to loss, accuracy and steps.
        window: fewer points than this are not enough.

    Returns:
        None while a goal is not reached, and always if no part has one.
    """
    found: dict[str, float] = {}
    points = list(records)
    for part in parts:
        if part.goal is None:
            continue
        accuracies = [point["parts"][part.name]["accuracy"] for point in points if part.name in point["parts"]]
        last = accuracies[-window:]
        if len(last) < window or sum(last) / window < part.goal:
            return None
        found[part.name] = sum(last) / window
    return found or None


def plan_to_json(plan: Plan) -> str:
    """A plan as text that `plan_from_json` reads."""
    return json.dumps(asdict(plan), indent=1)


def plan_from_json(text: str) -> Plan:
    """Reads a plan.

    Raises:
        ConfigError: it is no JSON, has an unknown or missing field, an unknown task, or two stages of one name.
    """
    try:
        facts = json.loads(text)
        stages = tuple(
            Stage(**{**stage, "parts": tuple(Part(**part) for part in stage["parts"])}) for stage in facts.pop("stages")
        )
        plan = Plan(stages=stages, **facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"the plan cannot be read: {error}. Begin with what --print-plan writes.") from None
    for part in (part for stage in stages for part in stage.parts):
        if part.task not in TASKS:
            raise ConfigError(f"the plan names the task {part.task!r}; there are {', '.join(TASKS)}")
    if not stages or len({stage.name for stage in stages}) < len(stages):
        raise ConfigError("a plan needs stages, each with a name of its own")
    return plan


def load_plan(path: Path) -> Plan:
    """Reads a plan from a file; raises `ConfigError` if there is none or it is no plan."""
    try:
        return plan_from_json(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the plan {path}: {error.strerror}") from None
