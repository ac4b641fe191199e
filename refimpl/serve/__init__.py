"""An HTTP server that answers other people's clients, in their own protocols, with the reference's numbers."""
