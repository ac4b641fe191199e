"""The benchmark suites: `pytest --benchmark` runs them, one file per stage."""
