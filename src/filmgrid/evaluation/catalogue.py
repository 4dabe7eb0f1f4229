"""Every metric that can be asked for: what it is, what it needs, which way is better. Torch-free.

Four kinds. *pair*: a made clip against the real clip of its name. *clip*: a clip by itself, of the
made and of the real ones. *distance*: the two sets against each other, by features. *score*: the
made set by itself, by a classifier.
"""

import difflib
from dataclasses import dataclass
from typing import Literal

Kind = Literal["pair", "clip", "distance", "score"]
Better = Literal["higher", "lower", "real"]
"""Which way is better; ``real``: being like the real clips is best."""

OFFLINE_FEATURES = ("offline-colour", "offline-gradients", "offline-motion", "offline-random")
"""Clip features that need no download."""

WEIGHTS_OF = {
    "i3d-stylegan-v": "i3d",
    "i3d-crop": "i3d",
    "i3d-squash": "i3d",
    "i3d-cd-fvd": "i3d",
    "videomae": "videomae",
    "inception": "inception",
    "inception-logits": "inception",
    "c3d": "c3d",
    "clip": "clip",
    "lpips-alex": "lpips-alex",
    "lpips-vgg": "lpips-vgg",
    "lpips-squeeze": "lpips-squeeze",
    "dists": "dists",
    "raft": "raft",
}
"""Name for ``--weights`` of every instrument with trained weights."""

CLIP_FEATURES = ("i3d-stylegan-v", "i3d-crop", "i3d-squash", "i3d-cd-fvd", "videomae")
FRAME_FEATURES = ("inception", "clip")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Args:
        name: what it is asked for by.
        kind: what it looks at.
        better: which way is better.
        about: what is computed, for a reader of the report.
        instruments: features, distances of frames or flows that it needs.
        unit: of the number; nothing for a pure one.
    """

    name: str
    kind: Kind
    better: Better
    about: str
    instruments: tuple[str, ...] = ()
    unit: str = ""

    @property
    def is_offline(self) -> bool:
        """Whether it needs no downloaded weights."""
        return not any(name in WEIGHTS_OF for name in self.instruments)


_SSIM = {
    "ssim": "11x11 Gaussian window on each colour, edges left out (scikit-image)",
    "ssim-uncropped": "11x11 Gaussian window on each colour, edges reflected",
    "ssim-torchmetrics": "11x11 Gaussian window on each colour, edges reflected without the edge",
    "ssim-uniform-7": "7x7 equal weights, sample covariance: the default of scikit-image",
    "ssim-gray": "11x11 Gaussian window on 8-bit luma",
    "ssim-matlab-3d": "ssim_matlab of frame interpolation: 11x11x11 over rows, columns and colours",
}
_FVD = {
    "fvd": ("i3d-stylegan-v", "I3D logits, StyleGAN-V protocol (fvd2048_16f)"),
    "fvd-crop": ("i3d-crop", "I3D logits, shorter side to 224 and middle cut out (MCVD)"),
    "fvd-squash": ("i3d-squash", "I3D logits, squashed to 224x224 (TATS, cd-fvd)"),
    "fvd-squash-256": ("i3d-cd-fvd", "I3D logits, cropped to 256 and squashed to 224 (cd-fvd)"),
    "cd-fvd": ("videomae", "VideoMAE features: content-debiased FVD"),
}


def _listed() -> list[Metric]:
    metrics = [
        Metric(
            "psnr", "pair", "higher", "peak signal-to-noise ratio per frame, averaged", unit="dB"
        ),
        Metric(
            "psnr-moving", "pair", "higher", "PSNR over pixels where the real clip moves", unit="dB"
        ),
        *(Metric(name, "pair", "higher", f"SSIM: {about}") for name, about in _SSIM.items()),
        Metric("ssim-moving", "pair", "higher", "SSIM over pixels where the real clip moves"),
        *(
            Metric(
                f"lpips-{net}",
                "pair",
                "lower",
                f"LPIPS v0.1 on {label} features, frame by frame",
                (f"lpips-{net}",),
            )
            for net, label in (("alex", "AlexNet"), ("vgg", "VGG-16"), ("squeeze", "SqueezeNet"))
        ),
        Metric("dists", "pair", "lower", "DISTS: structure and texture on VGG-16", ("dists",)),
        Metric(
            "kept",
            "pair",
            "higher",
            "share of the frames of --kept that are the real ones, bit for bit",
        ),
        Metric(
            "clip-image",
            "pair",
            "higher",
            "CLIP_img: cosine of the first real frame with every made frame, averaged",
            ("clip",),
        ),
        Metric(
            "clip-front",
            "pair",
            "higher",
            "CLIP-F: cosine of the first real with the first made frame (front view)",
            ("clip",),
        ),
        Metric(
            "clip-orbit",
            "pair",
            "higher",
            "CLIP-O: cosine of every later real with the made frame at its place, averaged",
            ("clip",),
        ),
        Metric(
            "clip-text",
            "clip",
            "higher",
            "cosine of the caption with every frame, averaged",
            ("clip",),
        ),
        Metric(
            "clip-identity", "clip", "real", "cosine of neighbouring frames, averaged", ("clip",)
        ),
        Metric("order", "clip", "lower", "size of steps over that in random order; 1 is shuffled"),
        Metric("frozen", "clip", "lower", "share of steps without change"),
        Metric("duplicates", "clip", "lower", "share of frames that repeat an earlier frame"),
        Metric("grain", "clip", "real", "share of the contrast that is noise from pixel to pixel"),
        Metric("loop", "clip", "real", "step from last to first frame over a usual step"),
        Metric(
            "seams",
            "clip",
            "real",
            "steepness across borders of cells over that inside",
            unit="levels of 255",
        ),
        Metric(
            "stripes", "clip", "real", "evidence that the outermost lines belong to other frames"
        ),
        Metric("identity", "clip", "real", "likeness of neighbouring frames in colours and edges"),
        Metric("drift", "clip", "real", "change of appearance from the beginning to the end"),
        *(
            Metric(f"warp{suffix}", "clip", "real", f"{about}, {label} optical flow", (flow,))
            for flow, end, label in (("flow", "", "DIS"), ("raft", "-raft", "RAFT"))
            for suffix, about in (
                (end, "mean squared change of what can be followed along the flow"),
                (f"-ratio{end}", "the same over the change without following it"),
            )
        ),
        *(
            Metric(name, "distance", "lower", f"Fréchet distance, {about}", (features,))
            for name, (features, about) in _FVD.items()
        ),
        Metric(
            "fid",
            "distance",
            "lower",
            "Fréchet distance of Inception-v3 pool features of frames",
            ("inception",),
        ),
        Metric(
            "kid",
            "distance",
            "lower",
            "unbiased MMD, cubic kernel, of Inception-v3 pool features of frames",
            ("inception",),
        ),
        *(
            Metric(
                f"mmd-{name}",
                "distance",
                "lower",
                f"unbiased MMD, cubic kernel, of {name}",
                (name,),
            )
            for name in (*OFFLINE_FEATURES, *CLIP_FEATURES, "clip")
        ),
        *(
            Metric(f"fd-{name}", "distance", "lower", f"Fréchet distance of {name}", (name,))
            for name in (*OFFLINE_FEATURES, "clip")
        ),
        Metric(
            "is", "score", "higher", "inception score of frames, 10 splits", ("inception-logits",)
        ),
        Metric(
            "is-video", "score", "higher", "inception score of clips by C3D, 10 splits", ("c3d",)
        ),
    ]
    return metrics


CATALOGUE: dict[str, Metric] = {metric.name: metric for metric in _listed()}
ALIASES = {"lpips": "lpips-alex", "ssim-gaussian": "ssim", "clip": "clip-image"}
OFFLINE = tuple(metric.name for metric in CATALOGUE.values() if metric.is_offline)
DEFAULT_METRICS = (
    "order",
    "frozen",
    "grain",
    "loop",
    "mmd-offline-gradients",
    "mmd-offline-motion",
)


def find_metric(name: str) -> Metric:
    """The metric of a name; ``random-`` before it (random weights) makes no difference.

    Raises:
        ValueError: if there is none, with the nearest names.
    """
    plain = name.removeprefix("random-").lower().replace("_", "-")
    plain = ALIASES.get(plain, plain)
    if plain in CATALOGUE:
        return CATALOGUE[plain]
    near = difflib.get_close_matches(plain, [*CATALOGUE, *ALIASES], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "filmgrid metrics lists them."
    raise ValueError(f"{name!r} is no metric. {hint}")


def companion(metric: Metric) -> Metric | None:
    """The unbiased distance that belongs beside a Fréchet distance, on the same features."""
    if metric.kind != "distance" or metric.name.startswith("mmd-") or metric.name == "kid":
        return None
    features = metric.instruments[0]
    return CATALOGUE["kid" if features == "inception" else f"mmd-{features}"]


KINDS: dict[Kind, str] = {
    "pair": "a made clip against the real clip of its name",
    "clip": "a clip by itself, of the made and of the real ones",
    "distance": "the two sets against each other",
    "score": "the made set by itself",
}
WAYS: dict[Better, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "real": "as the real clips",
}


def _weights(metric: Metric) -> str:
    """Name for ``--weights`` of what a metric needs; nothing if it needs none."""
    return next((WEIGHTS_OF[name] for name in metric.instruments if name in WEIGHTS_OF), "")


def in_words() -> str:
    """All metrics as a list for people."""
    lines: list[str] = []
    for kind, meaning in KINDS.items():
        lines += ["", f"{kind}: {meaning}"]
        for metric in (each for each in CATALOGUE.values() if each.kind == kind):
            needs = f"; weights: {_weights(metric)}" if _weights(metric) else ""
            lines.append(f"  {metric.name:<24}{metric.about} ({WAYS[metric.better]}{needs})")
    return "\n".join(lines[1:])


def table() -> str:
    """All metrics as a table in Markdown."""
    lines = ["| metric | looks at | what it is | better | weights |", "|---|---|---|---|---|"]
    lines += [
        f"| `{each.name}` | {each.kind} | {each.about} | {WAYS[each.better]} | "
        f"{_weights(each) or 'none'} |"
        for each in CATALOGUE.values()
    ]
    return "\n".join(lines) + "\n"
