"""Ollama's counts."""

from __future__ import annotations

from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.usage_ollama import from_ollama


def test_both_counts_are_the_servers_own():
    assert from_ollama(21, 889) == Usage(21, output=889)


def test_a_count_that_is_left_out_makes_the_other_a_floor():
    assert from_ollama(None, 4) == Usage(0, output=4, provenance=Provenance.DERIVED)


def test_no_count_at_all_is_unknown():
    assert from_ollama(None, None) is NO_USAGE
