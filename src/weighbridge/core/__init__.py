"""The vocabulary of the gateway. Imports nothing of ours."""
