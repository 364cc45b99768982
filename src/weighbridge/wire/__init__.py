"""Bytes and their meaning: framing and dialects. Pure and sans-IO; imports nothing of ours but `core`."""
