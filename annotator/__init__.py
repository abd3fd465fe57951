"""MapQaTor: build map question-answering datasets from recorded map tools, and evaluate models on them."""

__version__ = "0.1.0"
