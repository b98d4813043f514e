"""The arrays that parts hand to each other, and the clock that they are handed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ordinals = NDArray[np.int32]
Scores = NDArray[np.float32]
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]

Clock = Callable[[], float]
"""Seconds since 1970 (UTC). Passed in, never read from the system by a part."""

Progress = Callable[[str, int, int], None]
"""Told while long work goes on: what is being done, how much of it is done, of how much."""
