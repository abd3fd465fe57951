"""Suggestions by a served model, always to accept, with the model and the prompt recorded."""
