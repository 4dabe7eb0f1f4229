"""Whether neighbouring frames show the same thing: by colours and edges, or by given embeddings.

Free of torch and of downloads. Both compare neighbours only: what changes so slowly that every
step looks right is the matter of :mod:`filmgrid.metrics.drift`.
"""

import numpy as np
from einops import rearrange
from jaxtyping import Float32, Float64

from filmgrid.errors import ConfigError
from filmgrid.metrics.colour import oklab
from filmgrid.metrics.feature_sets import Features, check_features
from filmgrid.types import FrameArray

CELLS = 6
"""Places along each side of a picture at which its colours and edges are taken."""

CHROMA = 2.5
"""What a and b of OKLab count beside L, so that all three span about the same range."""

COLOUR_NOISE, EDGE_NOISE = 1e-4, 1e-5
"""Mean squares below which differences count as nothing: 1/100 of lightness, 1/300 of edges."""

PIXELS_AT_ONCE = 1 << 18


def neighbour_identity(frames: FrameArray) -> float:
    """How alike neighbouring frames are in where which colours and edges are.

    Each frame becomes two tables of 6x6 places, each place the mean around it, weighted by a
    tent that reaches the next places: colours (OKLab), and edges (steepness of lightness, and its
    share along two diagonal directions, as cosine and sine of twice the angle). Two tables x and y
    agree by the concordance ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))**2)`` of Lin
    (1989), doi:10.2307/2532051, which is 1 only if they are equal. The mean of both over all
    neighbours is what is returned.

    Motion of a few pixels in 64 costs about 0.05; a cut to another scene, a subject that is
    replaced, and appearing large things cost most of it. It is no identity of faces or objects:
    a small thing that changes before a large still background hardly counts, and someone else in
    the same clothes and pose is the same. Large fast motion counts as change.

    Args:
        frames: a sequence; a single frame is like itself.

    Returns:
        1 if all frames are equal, above 0.9 for most real clips, about 0 between unrelated
        pictures, at least -1.
    """
    if len(frames) < 2:
        return 1.0
    at_once = max(1, PIXELS_AT_ONCE // (frames.shape[1] * frames.shape[2]))
    parts = [_tables(frames[i : i + at_once]) for i in range(0, len(frames), at_once)]
    colours, edges = (np.concatenate(tables) for tables in zip(*parts, strict=True))
    agreements = (_concordance(colours, COLOUR_NOISE), _concordance(edges, EDGE_NOISE))
    return float(np.mean(agreements))


def neighbour_cosine(embeddings: Features) -> float:
    """Mean cosine between the embeddings of neighbouring frames.

    With CLIP or DINO features, what is usually reported as temporal consistency. It sees what the
    network sees; frozen frames score highest. Cosines of one network only may be compared.

    Args:
        embeddings: one vector per frame, in order; a single frame is like itself.

    Returns:
        1 if all point the same way, 0 if neighbours are unrelated, at least -1.

    Raises:
        ShapeError: if these are not vectors.
        ConfigError: if one is zero, NaN or infinite.
    """
    directions = unit_vectors(embeddings)
    if len(directions) < 2:
        return 1.0
    return float(np.mean(np.sum(directions[1:] * directions[:-1], axis=1)))


def unit_vectors(embeddings: Features) -> Float64[np.ndarray, "n d"]:
    """Bring each embedding to length 1.

    Raises:
        ShapeError: if these are not vectors.
        ConfigError: if one is zero, NaN or infinite.
    """
    vectors = check_features(embeddings)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ConfigError(
            f"The embedding of frame {int(np.argmin(lengths))} is zero and points nowhere. Look at "
            "the frame and at what embedded it."
        )
    return vectors / lengths


def _tables(
    frames: FrameArray,
) -> tuple[Float32[np.ndarray, "n places 3"], Float32[np.ndarray, "n places 3"]]:
    """Colours and edges around each place."""
    colours = oklab(frames)
    edges = _edges(colours[..., 0])
    colours[..., 1:] *= CHROMA
    down, across = _tents(frames.shape[1]), _tents(frames.shape[2])

    def pooled(values: Float32[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n places 3"]:
        rows = np.einsum("rh,nhwc->nrwc", down, values, optimize=True)
        return rearrange(
            np.einsum("sw,nrwc->nrsc", across, rows, optimize=True), "n r s c -> n (r s) c"
        )

    return pooled(colours), pooled(edges)


def _edges(lightness: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n h w 3"]:
    """Steepness of each pixel, and that times cosine and sine of twice its direction."""
    right, down = (
        np.gradient(lightness, axis=axis) if lightness.shape[axis] > 1 else np.zeros_like(lightness)
        for axis in (2, 1)
    )
    steep = np.hypot(right, down)
    per = np.maximum(steep, 1e-12)
    return np.stack([steep, (right**2 - down**2) / per, 2 * right * down / per], axis=-1)


def _tents(length: int) -> Float32[np.ndarray, "places length"]:
    """Weights of the pixels along a side for each place; each place's sum to 1."""
    places = min(CELLS, length)
    centres = (np.arange(places) + 0.5) * length / places - 0.5
    apart = np.abs(np.arange(length) - centres[:, None]) * places / length
    weights = np.maximum(0, 1 - apart)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _concordance(tables: Float32[np.ndarray, "n places 3"], noise: float) -> float:
    """Mean agreement of neighbouring tables."""
    means = tables.mean(axis=1, keepdims=True)
    apart = tables - means
    spread = np.square(apart).mean(axis=1).sum(axis=-1)
    together = (apart[1:] * apart[:-1]).mean(axis=1).sum(axis=-1)
    shift = np.square(np.diff(means[:, 0], axis=0)).sum(axis=-1)
    return float(np.mean((2 * together + noise) / (spread[1:] + spread[:-1] + shift + noise)))
