"""The data plane: one request's journey from receipt to settlement."""
