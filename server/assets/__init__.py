"""The model that ships with Rhumb, so that a server without arguments has something to say."""

from pathlib import Path

EMBEDDED_MODEL: Path = Path(__file__).parent / "model"
"""Directory of the embedded checkpoint: `config.json`, safetensors, tokenizer and model card."""

EMBEDDED_MODEL_ID = "rhumb-tiny"
"""The id under which clients see the embedded model."""

EMBEDDED_VARIANTS = ("full", "duo", "duo25=duo(sparsity=0.75)")
"""How it is served unless told otherwise; its head pattern lies beside it."""
