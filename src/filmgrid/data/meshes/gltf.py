"""What glTF files hold besides surfaces: nodes, skins, morph targets and animations.

trimesh reads surfaces and materials and leaves these out, and numbers that are stored sparsely.
"""

import base64
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""Numbers by glTF's code for them."""
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
"""How many numbers one item of an accessor has."""
DRAWN = (0, 1, 4, 5)
"""Modes of primitives that trimesh makes a geometry of: points, lines, triangles, strips."""
MAGIC = b"glTF"
CHUNKS = {b"JSON": 0, b"BIN\0": 1}


@dataclass(frozen=True)
class Document:
    """A glTF file.

    Args:
        header: its JSON.
        buffers: the bytes that it refers to.
    """

    header: dict[str, Any]
    buffers: tuple[bytes, ...]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind: nodes, meshes, skins, animations."""
        return self.header.get(kind, [])

    def numbers(self, accessor: int) -> Float64[np.ndarray, "items width"]:
        """Items of an accessor; whole numbers that stand for shares are divided out."""
        told = self.header["accessors"][accessor]
        kind, width = np.dtype(KINDS[told["componentType"]]), WIDTHS[told["type"]]
        stored = np.zeros((told["count"], width), kind)
        if "bufferView" in told:
            stored[:] = self._view(told, kind, told["count"], width)
        if "sparse" in told:
            sparse = told["sparse"]
            place = np.dtype(KINDS[sparse["indices"]["componentType"]])
            where = self._view(sparse["indices"], place, sparse["count"], 1)[:, 0]
            stored[where] = self._view(sparse["values"], kind, sparse["count"], width)
        values = stored.astype(np.float64)
        if told.get("normalized") and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        return values

    def _view(self, told: dict[str, Any], kind: np.dtype, count: int, width: int) -> np.ndarray:
        view = self.header["bufferViews"][told["bufferView"]]
        start = view.get("byteOffset", 0) + told.get("byteOffset", 0)
        stride = view.get("byteStride", kind.itemsize * width)
        data = self.buffers[view["buffer"]]  # numpy refuses what lies beyond its end
        return np.ndarray((count, width), kind, data, start, (stride, kind.itemsize))


def read_document(path: Path) -> Document:
    """Read a .glb or .gltf with all of its buffers.

    Raises:
        ValueError: if it is damaged; KeyError, IndexError and TypeError, if things that it refers
            to are not there.
        OSError: if it cannot be read.
    """
    data = path.read_bytes()
    chunks: list[bytes | None] = [None, None]
    if data[:4] == MAGIC:
        at = 12
        while at + 8 <= len(data):
            length, name = struct.unpack_from("<I4s", data, at)
            at += 8 + length
            if name in CHUNKS and chunks[CHUNKS[name]] is None:
                chunks[CHUNKS[name]] = data[at - length : at]
    else:
        chunks[0] = data
    header = json.loads((chunks[0] or b"").decode("utf-8"))
    buffers = [
        _fetched(each["uri"], path) if "uri" in each else chunks[1] or b""
        for each in header.get("buffers", [])
    ]
    return Document(header, tuple(buffers))


def _fetched(uri: str, path: Path) -> bytes:
    """Bytes that are written in the file itself, or lie beside it."""
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2])
    from trimesh.resolvers import FilePathResolver

    return FilePathResolver(str(path)).get(uri)
