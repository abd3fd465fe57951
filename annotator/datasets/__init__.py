"""Datasets: import, freeze, verify, replay and export."""
