"""The commented file that `weighbridge init` writes."""

from __future__ import annotations

from typing import Final

_MODELINE: Final = "# yaml-language-server: $schema={}\n"

_TEMPLATE: Final = """\
# Weighbridge. Every setting: docs/reference/configuration.md. Check a change with `weighbridge check-config`.
#
# ${NAME} is an environment variable, ${NAME:-default} one with a default, and $$ a plain dollar sign.
# The file is read again when it changes. One that has a fault changes nothing.

server:
  host: 127.0.0.1        # 0.0.0.0 listens to the network
  port: 8080
  # workers: 1           # one for each core is enough
  # auth: required       # `none` serves without keys, on 127.0.0.1 only
  # tls: {cert_file: cert.pem, key_file: key.pem}
  # limits: {max_body: 64MB, max_in_flight: 4000}

# Where the database and the first keys are kept, from this file's directory.
data_dir: data

# access_log: {format: json, path: access.log}

providers:
  # Built in, needs no key: try `demo/echo`.
  demo: {}

  # A provider of the catalogue needs its key. Left out, the usual variable is read (here OPENAI_API_KEY).
  # openai: {api_keys: ["${OPENAI_API_KEY}"]}
  # anthropic: {api_keys: ["${ANTHROPIC_API_KEY}"]}
  # gemini: {api_keys: ["${GEMINI_API_KEY}"]}

  # A server of your own takes an address; `type` says how it speaks: openai, anthropic or gemini.
  # local:
  #   type: openai
  #   base_url: http://127.0.0.1:8000/v1
  #   models: [qwen3]
  #   timeouts: {connect: 5s, first_byte: 60s}

# Names of your own. Any model is also reachable as `provider/model`, and by its bare name where one provider has it.
routes:
  fast: [demo/echo]

# Keys for applications, beside those of `weighbridge keys create`.
# keys:
#   - {name: ci, key: "${CI_KEY}", models: ["demo/*"], expires: 2030-01-01}
"""


def initial_config(*, schema_reference: str | None = None) -> str:
    """The text of a first configuration, which loads as it stands.

    `schema_reference`: path or URL of the JSON Schema, for editors that speak to the YAML language server.
    """
    return (_MODELINE.format(schema_reference) if schema_reference else "") + _TEMPLATE
