"""Recordings of what providers answered: keyed by request, kept by hash, never rewritten."""
