"""How the model's idle CPU threads wait."""

import os

SPIN_COUNT = "3000"
"""Rounds that an idle OpenMP worker burns its core before it sleeps. The default, 300,000, takes the core from the
API process whenever a step ends; none at all makes every matrix product wait to be woken."""


def limit_spinning() -> None:
    """Set it for this process and its children, unless the user has. Needs to run before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
