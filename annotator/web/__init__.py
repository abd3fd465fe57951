"""Pages and JSON endpoints."""
