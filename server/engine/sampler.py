"""Chooses the next tokens of a step's rows."""
