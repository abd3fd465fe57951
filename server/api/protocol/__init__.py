"""The request and response shapes of the HTTP API."""
