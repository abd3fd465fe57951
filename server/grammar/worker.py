"""The process that compiles grammars of unknown cost: `python -m server.grammar.worker`.

Reads one JSON object a line and answers each with one. The first holds `tokenizer` (the text of
`tokenizer.json`), `vocab_size` and `eos_ids`; the others hold a `GrammarSpec`. An answer holds `error`, which is
null if all is well. Ends when its input does, so it cannot outlive the server, and dies of a grammar that takes
more than `MAX_COMPILE_S`.
"""

import json
import signal
import sys

from server.engine.request import GrammarSpec
from server.errors import GrammarError
from server.grammar.compile import make_ll_tokenizer, make_matcher
from server.grammar.limits import MAX_COMPILE_S


def main() -> None:
    first = json.loads(sys.stdin.readline())
    try:
        tokenizer = make_ll_tokenizer(first["tokenizer"], first["vocab_size"], first["eos_ids"])
    except GrammarError as error:
        _answer(error.message)
        return
    _answer(None)
    for line in sys.stdin:
        message = None
        spec = GrammarSpec(**json.loads(line))
        # The signal's default action ends the process, whatever the Rust code is busy with. It counts processor
        # time, so that a busy machine refuses no good grammar.
        signal.setitimer(signal.ITIMER_PROF, MAX_COMPILE_S)
        try:
            make_matcher(spec, tokenizer)
        except GrammarError as error:
            message = error.message
        signal.setitimer(signal.ITIMER_PROF, 0)
        _answer(message)


def _answer(error: str | None) -> None:
    print(json.dumps({"error": error}), flush=True)


if __name__ == "__main__":
    main()
