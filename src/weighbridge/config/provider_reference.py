"""The page about providers, made from the catalogue, so that no row is undocumented."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from weighbridge.core.terms import Dialect
from weighbridge.providers.catalog import CatalogRow, load_catalog, natively_spoken
from weighbridge.wire import quirks

_HEAD: Final = """\
# Providers

What the gateway knows about each provider before you configure it. The names are what `type` takes in
[the configuration](configuration.md); an entry of the same name needs no `type`, no `base_url`, and no `api_key` if the usual
variable is set. This page is made from `src/weighbridge/providers/catalog.toml`, where each row names its source.

A caller may use any format with any of them. Where a provider speaks the caller's own format, the request goes through byte for
byte; where it does not, it is translated into the best format that it speaks, and what could not be said is named in
`x-weighbridge-edits`. Formats in *italics* are the provider's own but at a path or with a body of its own, so that such a request
is written anew.

A server that is not here: `type: openai` (or `anthropic`, `gemini`) with its `base_url`. It is then asked as servers commonly
understand it, unless `formats` and `quirks` say more.

`weighbridge models --live` asks every configured provider for its list of models. `GET /v1/models` shows what a provider lists
where its entry names no `models`, or says `live_models: true`; nothing is asked before somebody wants to know.
"""

_CLOUDS: Final = """
## Parts of an address

Clouds give each customer an address. Its parts are settings of the provider's entry, or come from variables of the environment.
Without a key, a cloud is asked by an account: its own library finds it where its users expect it, or the entry names it.
"""

_QUIRKS: Final = """
## Quirks

In what a provider differs from the vendor whose dialect it speaks. All are applied by the writers of requests, by the table below;
an entry's `quirks` replaces single ones.

```yaml
providers:
  mine: {type: openai, base_url: "http://10.0.0.5:8000/v1", quirks: {images: none, answer_formats: [text, json]}}
```
"""


def providers_markdown() -> str:
    """The page `docs/reference/providers.md`."""
    catalog = load_catalog()
    lines = [
        _HEAD,
        *_providers(catalog.values()),
        _CLOUDS,
        *_clouds(catalog.values()),
        _QUIRKS,
        *_meanings(),
        "",
        *_quirks(catalog),
    ]
    return "\n".join(lines) + "\n"


def _providers(rows: Iterable[CatalogRow]) -> Iterator[str]:
    yield "| name | provider | key | formats | further | addresses |\n|---|---|---|---|---|---|"
    for row in rows:
        title = f"[{row.title}]({row.source})" if row.source else row.title
        keys = _or(row.env) or (f"account ({row.identity.value})" if row.identity else "none")
        further = ", ".join(row.operations)
        yield f"| `{row.name}` | {title} | {keys} | {_formats(row)} | {further} | {_addresses(row.dialects)} |"


def _formats(row: CatalogRow) -> str:
    native = natively_spoken({spoken: row.call_path(spoken) for spoken in row.spoken})
    texts = [f"{spoken}" if spoken in native else f"*{spoken}*" for spoken in row.spoken]
    return ", ".join(texts) or "none"


def _addresses(dialects: Mapping[Dialect, str]) -> str:
    if all(url.startswith("demo:") for url in dialects.values()):
        return "built in"
    return ", ".join(f"{dialect.value} `{url}`" for dialect, url in dialects.items())


def _clouds(rows: Iterable[CatalogRow]) -> Iterator[str]:
    yield "| provider | setting | variable | default |\n|---|---|---|---|"
    for row in rows:
        for name, variable in row.variables.items():
            default = f"`{variable.default}`" if variable.default else ""
            yield f"| `{row.name}` | `{name}` | {_or(variable.env)} | {default} |"


def _meanings() -> Iterator[str]:
    texts = _attribute_texts(quirks)
    yield "| quirk | default | meaning |\n|---|---|---|"
    for field in msgspec.structs.fields(quirks.Quirks):
        default = getattr(quirks.NO_QUIRKS, field.name)
        yield f"| `{field.name}` | {_value(default)} | {texts.get(field.name, '')} |"


def _quirks(catalog: Mapping[str, CatalogRow]) -> Iterator[str]:
    common = next(row.elsewhere.quirks for row in catalog.values() if row.elsewhere is not None)
    yield f"Who speaks as OpenAI does but is not OpenAI has {_differences(common, quirks.NO_QUIRKS)}, unless the table says more.\n"
    yield "| provider | quirks |\n|---|---|"
    for row in catalog.values():
        base = common if Dialect.OPENAI in row.dialects and row.elsewhere is None else quirks.NO_QUIRKS
        if row.quirks_like:
            own = _differences(row.quirks, catalog[row.quirks_like].quirks)
            yield f"| `{row.name}` | as `{row.quirks_like}`{'; ' if own else ''}{own} |"
        elif row.quirks != base:
            yield f"| `{row.name}` | {_differences(row.quirks, base)} |"


def _differences(these: quirks.Quirks, base: quirks.Quirks) -> str:
    names = [field.name for field in msgspec.structs.fields(these) if getattr(these, field.name) != getattr(base, field.name)]
    return "; ".join(f"`{name}`: {_value(getattr(these, name))}" for name in names)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"`{name}` → `{other}`" for name, other in value.items())
    if isinstance(value, tuple):
        return ", ".join(" ".join(f"`{part}`" for part in item) if isinstance(item, tuple) else f"`{item}`" for item in value)
    return f"`{value}`"


def _or(names: Iterable[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _attribute_texts(module: object) -> dict[str, str]:
    """The strings that stand after the fields of a module's classes: Python forgets them, and editors show them."""
    texts: dict[str, str] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):  # type: ignore[arg-type]
        if isinstance(node, ast.ClassDef):
            for before, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    assert isinstance(before.target, ast.Name)
                    texts[before.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")
    return texts
