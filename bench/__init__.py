"""The benchmark suites: `pytest --benchmark` runs them, one file a stage of the walk."""
