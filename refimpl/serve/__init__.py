"""An HTTP server with every provider's API, whose numbers are those of refimpl's models."""
