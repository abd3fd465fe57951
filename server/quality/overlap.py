"""How much of its wording a text shares with references: BLEU and ROUGE-L, as everybody computes them.

By the packages sacrebleu and rouge-score (`pip install 'rhumb[overlap]'`). Where they are not installed there are no
such figures; a saved run holds what they need, and `rhumb eval show` computes them elsewhere.
"""

import importlib
import importlib.util
from collections.abc import Sequence

PACKAGES = ("sacrebleu", "rouge_score")


def is_installed() -> bool:
    """Whether both packages are here."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def overlap(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """`bleu` of all texts together and the mean `rouge_l`, both in percent; nothing without the packages.

    Args:
        texts: at least one.
        references: of each text, as many of each. ROUGE-L is the F-measure with the closest one.
    """
    if not is_installed():
        return {}
    streams = [list(stream) for stream in zip(*references, strict=True)]
    bleu = importlib.import_module("sacrebleu").corpus_bleu(list(texts), streams)
    scorer = importlib.import_module("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    closest = [
        scorer.score_multi(list(some), text)["rougeL"].fmeasure for text, some in zip(texts, references, strict=True)
    ]
    return {"bleu": float(bleu.score), "rouge_l": 100 * sum(closest) / len(closest)}
