"""From vectors to ranked documents: the store, the exact judge, fusion and the pipeline."""
