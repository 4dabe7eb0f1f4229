"""FLUX.1, FLUX.2-klein and Z-Image: image models, of the kind that grids are made with."""

from filmgrid.bench.config import ClipSize
from filmgrid.bench.peers.peer import Peer, Size, patched_tokens, sequence_tokens
from filmgrid.models.published import images

FLUX = Peer(
    pipeline="FluxPipeline",
    source="FLUX.1-dev",
    published=Size(images.flux, ClipSize(1, 1024, 1024), 28),
    tiny=Size(images.tiny_flux, ClipSize(1, 128, 128), 2, {"max_sequence_length": 32}),
    tokens=sequence_tokens,
    has_frames=False,
)

FLUX2_KLEIN = Peer(
    pipeline="Flux2KleinPipeline",
    source="FLUX.2-klein-base-4B",
    published=Size(images.klein, ClipSize(1, 1024, 1024), 50),
    tiny=Size(
        images.tiny_klein,
        ClipSize(1, 128, 128),
        2,
        {"max_sequence_length": 32},
    ),
    tokens=sequence_tokens,
    has_frames=False,
)

Z_IMAGE = Peer(
    pipeline="ZImagePipeline",
    source="Z-Image",
    published=Size(images.z_image, ClipSize(1, 1024, 1024), 50),
    tiny=Size(images.tiny_z_image, ClipSize(1, 128, 128), 2, {"max_sequence_length": 32}),
    tokens=patched_tokens,
    has_frames=False,
)
