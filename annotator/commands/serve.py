"""`mapqator serve`: the web program."""

from typing import Any

import typer

from annotator.commands.options import setting_options, settings_of, with_options

SETTINGS = (
    "database_url",
    "provider",
    "enable",
    "urls",
    "contact",
    "request_timeout_s",
    "max_response_bytes",
    "max_wait_s",
    "town",
    "demo",
    "host",
    "port",
    "max_body_bytes",
    "max_upload_bytes",
    "login",
    "public_url",
    "oidc_issuer",
    "oidc_client_id",
    "oidc_signup",
    "webhook_private_hosts",
    "assist_url",
    "assist_model",
    "model_hosts",
    "resume_runs",
    "allowed_hosts",
    "log_level",
)


def _serve(context: typer.Context, **flags: Any) -> None:
    """Serve the pages and the JSON API."""
    settings = settings_of(context, **flags)
    from annotator.serve import bind, run

    with bind(settings) as listener:
        run(settings, listener)


serve = with_options(_serve, setting_options(SETTINGS))
