"""How the gateway proves who it is at clouds: signatures and tokens, from the clouds' own libraries, kept fresh off the hot path.

`keeper.Keeper` holds one `core.ports.Authorizer` for each provider that needs one. The libraries are extras, loaded when a
configured provider needs them, in a thread. Why: docs/decisions/0011-cloud-credentials.md.
"""
