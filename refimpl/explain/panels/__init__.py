"""One file a panel: each gathers the numbers of one step of the walk."""
