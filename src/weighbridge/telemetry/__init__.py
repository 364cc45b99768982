"""Consumers of settled Records. None of them stands on a request's path."""
