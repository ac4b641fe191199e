"""A sweep: one collection searched through several Milvus indexes, at every point of a grid of their parameters.

Each point is compared with exact search in float64 before its time counts: see `refimpl.sweep.measure`.
"""

from refimpl.sweep.grid import Grid, parse_grids
from refimpl.sweep.measure import Effort
from refimpl.sweep.run import Options, sweep

__all__ = ["Effort", "Grid", "Options", "parse_grids", "sweep"]
