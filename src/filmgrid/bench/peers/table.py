"""All peers by name. Free of torch, until one is opened."""

from filmgrid.bench.peers.images import FLUX, FLUX2_KLEIN, Z_IMAGE
from filmgrid.bench.peers.peer import Peer
from filmgrid.bench.peers.unets import ANIMATEDIFF, SVD
from filmgrid.bench.peers.videos import COGVIDEOX, LTX, WAN

BY_NAME: dict[str, Peer] = {
    "flux": FLUX,
    "flux2-klein": FLUX2_KLEIN,
    "z-image": Z_IMAGE,
    "cogvideox": COGVIDEOX,
    "animatediff": ANIMATEDIFF,
    "svd": SVD,
    "ltx": LTX,
    "wan": WAN,
}
