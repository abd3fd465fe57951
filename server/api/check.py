"""What `rhumb check` prints: what would run, and why not something else."""

import asyncio
import dataclasses
from typing import Any

from server.api.app import build_app
from server.api.serve import uvicorn_config
from server.api.serving import Serving
from server.config import EngineConfig
from server.engine.clients import ThreadEngine
from server.settings import ServerSettings


async def facts(config: EngineConfig, settings: ServerSettings) -> dict[str, Any]:
    """Load everything once, as `serve` would, without listening.

    Raises:
        ConfigError: a setting cannot work.
        ModelLoadError: the model cannot be loaded.
    """
    engine = ThreadEngine(config)
    uvicorn_config(build_app(engine, settings), settings)
    await engine.start()
    try:
        serving = await asyncio.to_thread(Serving, engine, settings)
        serving.close()
        info = dataclasses.asdict(engine.info)
    finally:
        await engine.stop()
    return {
        "engine": info,
        "models": list(serving.models),
        "chat_template": serving.template is not None,
        "tool_parser": serving.tool_family,
        "sampling_defaults": dataclasses.asdict(serving.defaults),
        "listens_on": f"{'http' if settings.tls_cert is None else 'https'}://{settings.host}:{settings.port}",
        "num_api_keys": len(settings.all_api_keys()),
        "unknown_fields": "ignored" if settings.lenient else "refused",
    }


def describe(found: dict[str, Any]) -> str:
    """The same for people."""
    engine = found["engine"]
    positions = engine["num_pages"] * engine["page_size"] // max(1, engine["num_groups"])
    defaults = ", ".join(f"{name} {value:g}" for name, value in found["sampling_defaults"].items())
    weights = f"{engine['num_parameters']:,} parameters, {engine['dtype']} on {engine['device']}"
    pages = f"{engine['num_pages']:,} pages of {engine['page_size']} positions in {engine['num_groups']} groups"
    chat = f"template found, tool calls as {found['tool_parser']}" if found["chat_template"] else "no template"
    keys = found["num_api_keys"] or "no"
    refused = [f"not {name}: {'; '.join(why)}" for name, why in engine["backend_refusals"].items() if why]
    rows = [
        ("model", f"{engine['model']}: {weights}"),
        ("", f"from {engine['model_path']}, loaded in {engine['load_s']:.1f} s"),
        ("served as", ", ".join(found["models"])),
        ("context", f"{engine['max_model_len']:,} tokens"),
        *(
            ("variants" if index == 0 else "", f"{name}: {what}; up to {engine['variant_lens'][name]:,} tokens")
            for index, (name, what) in enumerate(engine["descriptions"].items())
        ),
        ("KV", f"{pages}: room for about {positions:,} positions in full"),
        ("", f"as {engine['kv_format']}, {engine['kv_token_bytes']:,} bytes a position"),
        ("batch", f"up to {engine['max_rows']} rows"),
        ("attention", engine["attention_backend"]),
        *(("", line) for line in refused),
        ("chat", chat),
        ("sampling", defaults),
        ("HTTP", f"{found['listens_on']}, {keys} API keys, unknown fields {found['unknown_fields']}"),
    ]
    return "\n".join(f"{name:<12}{text}" for name, text in rows)
