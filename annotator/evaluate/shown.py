"""How a question is shown: the order of its options and their labels, and whether abstaining is offered."""

import string
from typing import Literal

import numpy as np

from annotator.datasets.exports.answers import CANNOT
from annotator.datasets.native import NativeItem
from annotator.evaluate.model import Shown, ShownOption, form_of
from annotator.questions.answers import NumberAnswer

Labels = Literal["letters", "numbers"]


def shown_of(
    item: NativeItem,
    *,
    offers_abstaining: bool,
    shuffle_seed: int | None = None,
    labels: Labels = "letters",
    unit: str = "",
) -> Shown:
    """An item as a model sees it.

    The abstaining option comes last and is never shuffled, so that it has the same label in questions of equal length.

    Args:
        shuffle_seed: deals the order of the options by this and the item's content, so that a run that goes on shows
            the same; None keeps the order in which they were frozen.
        labels: `A`, `B`, … or `1`, `2`, … with 0 for abstaining.
        unit: of a bare number, where the prompt asks for durations or distances in one.
    """
    options = list(item.options)
    if shuffle_seed is not None:
        # The sha is the same wherever this item is asked, and nobody chose it.
        generator = np.random.default_rng([abs(shuffle_seed), int(item.content_sha[:16], 16)])
        options = [options[index] for index in generator.permutation(len(options))]
    named = string.ascii_uppercase if labels == "letters" else [str(number) for number in range(1, 27)]
    lines = [ShownOption(label=label, text=one.text, key=one.key) for label, one in zip(named, options, strict=False)]
    if lines and offers_abstaining:
        # 26 options, of which there cannot be more, take all letters.
        label = named[len(lines)] if labels == "letters" and len(lines) < len(named) else "0"
        lines.append(ShownOption(label=label, text=CANNOT, key=None))
    spec = item.answer_spec
    return Shown(
        form=form_of(item),
        options=tuple(lines),
        offers_abstaining=offers_abstaining,
        kind=None if spec is None else spec.kind,
        unit=spec.unit if isinstance(spec, NumberAnswer) else unit,
    )
