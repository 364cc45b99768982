"""The composition roots: the only places that join ports to adapters, one for a worker and one for the supervisor."""
