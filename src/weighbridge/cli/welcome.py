"""What `serve` says once it serves: where, with which providers, and a first request that works as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from weighbridge import __version__
from weighbridge.config.load import LoadedConfig
from weighbridge.control.bootstrap import FIRST_KEY_FILE, FirstKeys, where_keys_are

_FIRST_WORDS: Final = "Hello, Weighbridge!"


def show_welcome(loaded: LoadedConfig, port: int, data_dir: Path, first_keys: FirstKeys | None) -> None:
    """Print it on standard error. Keys are shown only when they were made just now."""
    console = Console(stderr=True, highlight=False)
    config = loaded.config
    scheme = "https" if config.server.tls is not None else "http"
    base_url = f"{scheme}://{_reachable(config.server.host)}:{port}"
    providers = ", ".join(config.providers) or "none: name some in the configuration, or set OPENAI_API_KEY and the like"
    console.print(Text.assemble(("Weighbridge ", "bold"), f"{__version__} serves on ", (base_url, "bold cyan")))
    console.print(Text.assemble("  providers  ", (providers, "green")))
    console.print(f"  source     {loaded.source or 'no configuration file (weighbridge init writes one)'}", soft_wrap=True)
    console.print(f"  dashboard  {base_url}/ (sign in with the admin key)", soft_wrap=True)
    if first_keys is not None:
        _show_keys(console, first_keys, data_dir)
    else:
        console.print(f"  keys       {where_keys_are(data_dir)}", soft_wrap=True)
    if config.server.auth == "none":
        console.print("  auth       none: everybody on this machine is served")
    _show_first_request(console, base_url, _model(loaded), data_dir / FIRST_KEY_FILE)


def _show_keys(console: Console, keys: FirstKeys, data_dir: Path) -> None:
    lines = Text.assemble(
        ("virtual key  ", "bold"),
        keys.first.reveal(),
        ("\nadmin key    ", "bold"),
        keys.admin.reveal(),
        (f"\n\nShown once; kept in {data_dir}/ with mode 600.", "dim"),
    )
    console.print(Panel(lines, title="Your first keys", expand=False))


def _show_first_request(console: Console, base_url: str, model: str, key_file: Path) -> None:
    # Plain lines, not a panel, and no wrapping: they are there to be copied.
    curl = (
        f"curl {base_url}/v1/chat/completions \\\n"
        f'  -H "Authorization: Bearer $(cat {key_file})" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "{_FIRST_WORDS}"}}]}}\''
    )
    sdk = (
        "from openai import OpenAI\n"
        f'client = OpenAI(base_url="{base_url}/v1", api_key=open("{key_file}").read().strip())\n'
        f'reply = client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "{_FIRST_WORDS}"}}])\n'
        "print(reply.choices[0].message.content)"
    )
    console.print("\nTry it:", style="bold")
    console.print(curl, soft_wrap=True, markup=False)
    console.print("\nOr with the OpenAI SDK:", style="bold")
    console.print(sdk, soft_wrap=True, markup=False)
    console.print()


def _reachable(host: str) -> str:
    """An address to type for what is listened on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - looked up, not bound
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _model(loaded: LoadedConfig) -> str:
    config = loaded.config
    if "demo" in config.providers:
        return "demo/echo"
    if config.routes:
        return next(iter(config.routes))
    for name, provider in config.providers.items():
        if provider.models:
            return f"{name}/{provider.models[0]}"
    return "provider/model"
