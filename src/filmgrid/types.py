"""Shared aliases with their shapes. Free of torch."""

import numpy as np
from jaxtyping import UInt8

FrameArray = UInt8[np.ndarray, "n h w 3"]
"""Frames of one sequence as files hold them: 8-bit sRGB, height before width."""

ImageArray = UInt8[np.ndarray, "h w 3"]
"""One image as files hold it: 8-bit sRGB, height before width."""
