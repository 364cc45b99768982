"""Which deployment answers a request. Values in, values out."""
