"""TextAssembler: one sample's outputs in, its deltas out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from server.engine.client import Delta, PositionLogprobs, TextParams
from server.engine.detokenizer import make_detokenizer
from server.engine.request import FinishReason, SampleOutput, TokenLogprobs
from server.engine.stop import StopMatcher
from server.engine.tokenizer import Tokenizer


@dataclass(slots=True)
class _Waiting:
    """A token whose text is not out yet.

    Args:
        start: characters of the sample's text before the token's first.
        end: characters through its last; None while its character is incomplete.
    """

    token_id: int
    logprobs: TokenLogprobs | None
    start: int
    end: int | None


class TextAssembler:
    """Detokenises one sample, watches for its stop strings, and keeps token ids and log probabilities in step.

    Args:
        tokenizer: the model's.
        params: how ids become text.
        prompt_ids: what the sample continues.
    """

    def __init__(self, tokenizer: Tokenizer, params: TextParams, prompt_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = make_detokenizer(
            tokenizer,
            prompt_ids,
            skip_special_tokens=params.skip_special_tokens,
            spaces_between_special_tokens=params.spaces_between_special_tokens,
        )
        self._matcher = StopMatcher(params.stop, params.include_stop)
        # A hidden special token never shows up in the text, where its stop string would look for it.
        self._hidden_stops = {
            token_id: stop
            for stop in params.stop
            if params.skip_special_tokens and (token_id := tokenizer.special_id(stop)) is not None
        }
        self._watches = bool(params.stop)
        self._waiting: deque[_Waiting] = deque()
        self._num_generated = 0
        self._num_chars = 0
        """Characters of the detokenised text, shown or held."""
        self._num_shown = 0
        self._text = ""
        """Released, but not yet in a delta."""
        self._is_finished = False

    def feed(self, output: SampleOutput) -> Delta | None:
        """What the output makes visible; None while that is nothing.

        The delta with a `finish_reason` is the last, and there is exactly one. If it comes before the output
        had a finish reason, a stop string ended the sample, and whoever feeds must abort it.
        """
        if self._is_finished:
            return None
        finish_reason: FinishReason | None = output.finish_reason
        stop_reason: str | int | None = output.stop_token_id
        for index, token_id in enumerate(output.token_ids):
            self._num_generated += 1
            is_stop = output.stop_token_id is not None and index == len(output.token_ids) - 1
            if not is_stop:
                text = self._detokenizer.feed(token_id)
                if self._is_plain(output) and text and not self._detokenizer.is_open:
                    return self._plain(output, text)
                self._take(token_id, text, output.logprobs[index] if output.logprobs else None)
            if self._matcher.matched is not None:
                break
        if finish_reason is not None and self._matcher.matched is None:
            self._advance(self._detokenizer.flush())
            self._release(self._matcher.flush())
        if self._matcher.matched is not None:
            finish_reason, stop_reason = "stop", self._matcher.matched
        self._is_finished = finish_reason is not None
        if not (self._text or self._is_finished or output.prompt_logprobs):
            return None
        token_ids, logprobs = self._covered()
        text, self._text = self._text, ""
        return Delta(
            index=output.sample_index,
            text=text,
            token_ids=token_ids,
            logprobs=logprobs,
            prompt_logprobs=self._shown_prompt(output.prompt_logprobs),
            finish_reason=finish_reason,
            stop_reason=stop_reason,
            num_generated=self._num_generated,
            cached_tokens=output.cached_tokens,
            timings=output.timings if self._is_finished else None,
        )

    def _is_plain(self, output: SampleOutput) -> bool:
        """Whether the output is one token, of which nothing but its text is wanted, and nothing can be held back."""
        return (
            not self._watches
            and not self._waiting
            and output.finish_reason is None
            and output.logprobs is None
            and output.prompt_logprobs is None
            and len(output.token_ids) == 1
        )

    def _plain(self, output: SampleOutput, text: str) -> Delta:
        """What the long way through `_take` and `_covered` would give: most tokens take this short one."""
        self._num_chars += len(text)
        self._num_shown = self._num_chars
        return Delta(
            output.sample_index,
            text,
            output.token_ids,
            num_generated=self._num_generated,
            cached_tokens=output.cached_tokens,
        )

    def _take(self, token_id: int, text: str, logprobs: TokenLogprobs | None) -> None:
        self._waiting.append(_Waiting(token_id, logprobs, self._num_chars, None))
        self._advance(text)
        if token_id in self._hidden_stops:
            self._advance(self._detokenizer.flush())
            if self._matcher.matched is None:
                self._release(self._matcher.end_with(self._hidden_stops[token_id]))

    def _advance(self, text: str) -> None:
        """Add detokenised text, and release what no stop string may still want."""
        self._num_chars += len(text)
        if not self._detokenizer.is_open:
            for token in reversed(self._waiting):
                if token.end is not None:
                    break
                token.end = self._num_chars
        self._release(self._matcher.feed(text))

    def _release(self, text: str) -> None:
        self._text += text
        self._num_shown += len(text)

    def _covered(self) -> tuple[list[int], list[PositionLogprobs] | None]:
        """The waiting tokens of which nothing is left to show; at the end, those of which anything was shown."""
        covered: list[_Waiting] = []
        while self._waiting and self._is_covered(self._waiting[0]):
            covered.append(self._waiting.popleft())
        logprobs = [self._shown(token.logprobs) for token in covered if token.logprobs is not None]
        return [token.token_id for token in covered], logprobs or None

    def _is_covered(self, token: _Waiting) -> bool:
        if self._matcher.matched is not None:
            return token.start < self._num_shown
        return self._is_finished or (token.end is not None and token.end <= self._num_shown)

    def _shown(self, entry: TokenLogprobs) -> PositionLogprobs:
        text, raw = self._tokenizer.token_text_and_bytes(entry.token_id)
        top = [
            (*self._tokenizer.token_text_and_bytes(token_id), token_id, logprob)
            for token_id, logprob in zip(entry.top_ids, entry.top_logprobs, strict=True)
            if token_id != entry.token_id
        ]
        return PositionLogprobs(entry.token_id, text, raw, entry.logprob, entry.rank, top)

    def _shown_prompt(self, entries: list[TokenLogprobs | None] | None) -> list[PositionLogprobs | None] | None:
        return None if entries is None else [None if entry is None else self._shown(entry) for entry in entries]
