"""What columns are made of: a value for each row, where a row is the number of a node (`extender.roster`)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

NOBODY: Final = 0
"""The row of every name that is no node's."""

LEAST_CAPACITY: Final = 64
"""Rows there are from the beginning; whenever they do not suffice, there are twice as many."""
