"""Budgets and rate limits: who is counted where, and counting that is exact over all workers of a host. Pure but for its cells."""
