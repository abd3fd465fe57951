"""The line that ends every question and says how to answer; the same few for all questions."""

from collections.abc import Mapping

from annotator.demo.questions.writers.question import Shape

UNANSWERABLE = "unanswerable"
"""The answer where the context does not say."""

_ABSENT = f'If the context does not say, answer "{UNANSWERABLE}".'
_BEGIN = "Reply with what the context says, then"

INSTRUCTIONS: Mapping[Shape, str] = {
    "yes_no": f'{_BEGIN} "Answer:" and the letter. {_ABSENT}',
    "single_choice": f'{_BEGIN} "Answer:" and the letter. {_ABSENT}',
    "multiple_choice": f'{_BEGIN} "Answer:" and the letters of all that are right. {_ABSENT}',
    "open": f'{_BEGIN} "Answer:" and the answer. {_ABSENT}',
    "list": f'{_BEGIN} "Answer:" and all answers, parted by semicolons. {_ABSENT}',
}
"""By how the question is answered."""

TOOL_INSTRUCTIONS: Mapping[Shape, str] = {
    shape: line.replace("what the context says", "what the tools say").replace("the context does", "the tools do")
    for shape, line in INSTRUCTIONS.items()
}
"""The same where tools are asked instead of a context."""
