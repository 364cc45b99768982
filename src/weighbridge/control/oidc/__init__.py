"""Signing in at an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 9700)."""
