"""Canonical map tools, the providers that answer them, and the offline map of our own."""
