"""From what the user calls a model to a directory with its files."""

from pathlib import Path

from server.errors import ModelLoadError

_CONFIG_FILES = ["*.json", "*.jinja", "*.model"]
# Copies of the weights in formats that are never read, such as Mistral's and Meta's own.
_IGNORED_FILES = ["*/*", "consolidated*"]


def resolve_model(model: str, revision: str | None = None, with_weights: bool = True) -> Path:
    """The directory of `model`: itself if it is one, else a download from the Hugging Face hub.

    Args:
        with_weights: also fetch the safetensors files.

    Raises:
        ModelLoadError: there is no such directory, and the hub has none for us.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise ModelLoadError(f"{model} is a file; give the directory with config.json and safetensors files")
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelLoadError(f"{model} is not a directory; check the path")
    return _fetch(model, revision, with_weights)


def _fetch(model: str, revision: str | None, with_weights: bool) -> Path:
    """The hub's copy of `model`, downloaded unless it is in the local cache."""
    # Imported here because it takes most of a second, which a server of local files need not wait.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = [*_CONFIG_FILES, "*.safetensors"] if with_weights else _CONFIG_FILES
    at = f" at revision {revision}" if revision else ""
    try:
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=patterns, ignore_patterns=_IGNORED_FILES)
        )
    except HFValidationError:
        raise ModelLoadError(f"{model!r} is neither a directory nor a hub name such as Qwen/Qwen3-0.6B") from None
    except GatedRepoError:
        raise ModelLoadError(
            f"{model} is gated: accept its terms on huggingface.co, then set HF_TOKEN to a token that may read it"
        ) from None
    except RevisionNotFoundError:
        raise ModelLoadError(f"{model} has no revision {revision}") from None
    except RepositoryNotFoundError:
        raise ModelLoadError(
            f"{model} is neither a directory here nor a public model on the hub; if it is private, set HF_TOKEN"
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled):
        raise ModelLoadError(
            f"{model}{at} is not a directory, not in the local hub cache, and the hub cannot be reached; "
            "check the network or give a path"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelLoadError(f"{model}{at} could not be fetched from the hub: {reason[0]}") from None
