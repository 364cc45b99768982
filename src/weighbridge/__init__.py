"""Weighbridge: a self-hosted AI API gateway. Traffic goes through untouched, and everything that passes is weighed exactly."""

__version__ = "0.1.0"
