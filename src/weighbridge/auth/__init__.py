"""Who is calling: virtual keys, their hashes and their expiry. Values in, values out; no I/O."""
