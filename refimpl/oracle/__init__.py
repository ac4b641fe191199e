"""The oracle: golden vectors, and comparison with them."""
