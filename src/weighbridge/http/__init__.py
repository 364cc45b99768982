"""The HTTP engine: thin protocol code over uvloop and httptools, inbound and outbound."""
