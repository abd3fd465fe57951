"""Plane geometry in metres, and planes cut into faces."""
