"""Type aliases for every layer."""

import numpy as np

Array = np.ndarray
"""An array of any shape and dtype; annotated by jaxtyping where both are known."""
