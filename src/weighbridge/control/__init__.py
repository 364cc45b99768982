"""The control plane: who may call, what is served and how it goes. Nothing here stands in the path of a request."""
