"""Whom we call: each provider's dialects, address, way of authenticating and quirks, as data."""
