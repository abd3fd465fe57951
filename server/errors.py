"""Every error that Rhumb raises on purpose. HTTP statuses live in `api/errors.py`, exit codes in `cli.py`."""


class RhumbError(Exception):
    """Base of all errors whose message is meant for a user."""


class ConfigError(RhumbError):
    """A setting or flag that cannot work; the message says which and what to do."""


class ModelLoadError(RhumbError):
    """A checkpoint that cannot be loaded: missing, truncated, of the wrong shape, pickled or unsupported."""


class RequestError(RhumbError):
    """A request that can never succeed as it stands; becomes a 4xx.

    Args:
        message: what is wrong and what would be right.
        param: the request field at fault, as the client wrote it.
        code: OpenAI's machine-readable code, for instance `context_length_exceeded`.
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class ModelNotFoundError(RequestError):
    """The request names a model or a variant that is not served; becomes a 404."""


class GrammarError(RequestError):
    """A schema, regex or grammar that does not compile or would cost too much."""


class OverloadedError(RhumbError):
    """The queue is full; becomes a 429 with `retry-after`.

    Args:
        message: which limit was hit.
        retry_after_s: a fair guess of when to try again, in seconds.
    """

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineDeadError(RhumbError):
    """The engine process died or was stopped while the request ran; becomes a 503 or an error event."""


class EngineStepError(RhumbError):
    """One request failed inside the engine (NaN logits, out of memory); its neighbours go on."""
