"""A task folder for lm-evaluation-harness: YAML with templates, and the questions as JSON lines beside it.

Choices and open answers are scored differently there, so each kind that occurs is a task of its own, and a group of the
folder's name runs both. Whether a model may abstain is the project's setting, the same for every question.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import yaml

from annotator.datasets.exports.answers import CANNOT, NO_CONTEXT, NO_GOLD, open_texts, right_indices
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import dumped, opened
from annotator.datasets.native import NativeItem

_CHOICE, _OPEN = "choice", "open"
_TO_TEXT = {
    _CHOICE: (
        "{{context}}\n\nQuestion: {{question}}\n"
        "{% for choice in choices %}{{letters[loop.index0]}}. {{choice}}\n{% endfor %}Answer:"
    ),
    _OPEN: "{{context}}\n\nQuestion: {{question}}\nAnswer:",
}


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the folder."""
    path.mkdir()
    name = f"mapqator_{about.name.replace('-', '_').replace('.', '_')}"
    with ExitStack() as stack:
        files: dict[str, IO[str]] = {}
        for item in items:
            document = _document(item, offers_abstaining=about.abstain == "always")
            if isinstance(document, str):
                outcome.leave_out(item, document)
                continue
            outcome.num_items += 1
            kind = _CHOICE if "choices" in document else _OPEN
            if kind not in files:
                files[kind] = stack.enter_context(opened(path / f"{kind}.jsonl"))
            files[kind].write(f"{dumped(document)}\n")
    for kind in sorted(files):
        _write_yaml(path / f"{name}_{kind}.yaml", _task(name, kind, about))
    if files:
        _write_yaml(path / f"{name}.yaml", {"group": name, "task": [f"{name}_{kind}" for kind in sorted(files)]})
    with opened(path / "README.md") as file:
        file.write(
            f"# {about.title}\n\n```sh\ncd THIS_FOLDER\nlm_eval --model hf --model_args pretrained=MODEL "
            f"--include_path . --tasks {name}\n```\n\nLicence: {about.licence or 'see each question'}\n"
        )


def _document(item: NativeItem, *, offers_abstaining: bool) -> dict[str, Any] | str:
    """A question, or why there is none."""
    if item.context.text is None:
        return NO_CONTEXT
    made: dict[str, Any] = {
        "id": item.id,
        "number": item.number,
        "category": item.category,
        "split": item.split,
        "context": item.context.text,
        "question": item.question,
    }
    if item.type == "multiple_choice":
        return "lm-evaluation-harness scores one choice, and this has several right ones"
    if not item.options:
        texts = [CANNOT] if item.type == "unanswerable" and offers_abstaining else open_texts(item)
        return made | {"target": texts[0], "aliases": texts} if texts else NO_GOLD
    choices = [option.text for option in item.options] + ([CANNOT] if offers_abstaining else [])
    right = right_indices(item)
    if item.type == "unanswerable":
        if not offers_abstaining:
            return "it cannot be answered, and the project never offers to say so"
        right = [len(choices) - 1]
    if not right:
        return NO_GOLD
    letters = [chr(ord("A") + index) for index in range(len(choices))]
    return made | {"choices": choices, "letters": letters, "target": right[0]}


def _task(name: str, kind: str, about: About) -> dict[str, Any]:
    made: dict[str, Any] = {
        "task": f"{name}_{kind}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{kind}.jsonl"}},
        "test_split": "test",
        "doc_to_text": _TO_TEXT[kind],
        "metadata": {"version": about.version or "0", "abstain": about.abstain},
    }
    if kind == _CHOICE:
        return made | {
            "output_type": "multiple_choice",
            "doc_to_choice": "letters",
            "doc_to_target": "target",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    return made | {
        "output_type": "generate_until",
        "doc_to_target": "target",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 64, "do_sample": False},
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "ignore_punctuation": True,
            }
        ],
    }


def _write_yaml(path: Path, value: dict[str, Any]) -> None:
    with opened(path) as file:
        yaml.safe_dump(value, file, sort_keys=False, allow_unicode=True, width=120)


FORMAT = ExportFormat(
    key="lm-eval",
    title="lm-evaluation-harness",
    sentence="A task folder for lm-evaluation-harness, run with --include_path.",
    write=write,
    suffix=".zip",
    is_folder=True,
)
