import numpy as np
import pytest
import torch
import torch.nn.functional as F

from filmgrid.evaluation.clip_features import PROCESSOR as CLIP_PROCESSOR
from filmgrid.evaluation.hub import published
from filmgrid.evaluation.i3d_features import PROTOCOLS
from filmgrid.evaluation.preprocess import crop_sides, prepare
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize
from filmgrid.evaluation.videomae_features import PROCESSOR as VIDEOMAE_PROCESSOR
from filmgrid.types import FrameArray


def as_tensor(clip: FrameArray) -> torch.Tensor:
    return torch.from_numpy(clip).permute(3, 0, 1, 2).float()


def test_without_a_step_pixels_are_only_scaled(noise_clip: FrameArray):
    prepared = prepare(noise_clip[None], Preprocessing(black=-1, white=1))
    torch.testing.assert_close(prepared[0], as_tensor(noise_clip) / 127.5 - 1)
    assert prepared.shape == (1, 3, 16, 40, 50)


def test_bytes_are_handed_on_untouched(noise_clip: FrameArray):
    prepared = prepare(noise_clip[None], PROTOCOLS["stylegan-v"])
    assert prepared.dtype == torch.uint8
    assert torch.equal(prepared[0], torch.from_numpy(noise_clip).permute(3, 0, 1, 2))


def test_squash_ignores_the_aspect_and_is_plain_bilinear(noise_clip: FrameArray):
    prepared = prepare(noise_clip[None], PROTOCOLS["squash"])
    byhand = F.interpolate(as_tensor(noise_clip), (224, 224), mode="bilinear", align_corners=False)
    torch.testing.assert_close(prepared[0], 2 * byhand / 255 - 1, atol=2e-6, rtol=0)


def test_crop_scales_the_shorter_side_and_cuts_the_middle_out(noise_clip: FrameArray):
    prepared = prepare(noise_clip[None], PROTOCOLS["crop"])
    scaled = F.interpolate(as_tensor(noise_clip), (224, 280), mode="bilinear", align_corners=False)
    torch.testing.assert_close(prepared[0], scaled[..., 28:252] / 127.5 - 1, atol=2e-6, rtol=0)


def test_steps_follow_each_other(noise_clip: FrameArray):
    prepared = prepare(noise_clip[None], PROTOCOLS["cd-fvd"])
    frames = as_tensor(noise_clip)
    frames = F.interpolate(frames, (256, 320), mode="bilinear", antialias=True)[..., 32:288].floor()
    frames = F.interpolate(frames, (224, 224), mode="bilinear")
    torch.testing.assert_close(prepared[0], frames / 127.5 - 1, atol=2e-6, rtol=0)


def test_the_longer_side_is_made_whole_as_stated():
    floor = Resize(mode="crop", size=224, short_side=256)
    ceil = Resize(mode="crop", size=224, long_side="ceil")
    assert crop_sides(240, 320, floor) == (256, 341)
    assert crop_sides(320, 240, ceil) == (299, 224)
    assert crop_sides(64, 64, ceil) == (224, 224)


def test_colours_turn_round_before_they_are_normalised(noise_clip: FrameArray):
    spec = Preprocessing(colours="bgr", mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    prepared = prepare(noise_clip[None], spec)
    blue = torch.from_numpy(noise_clip[..., 2]).float() / 255
    red = torch.from_numpy(noise_clip[..., 0]).float() / 255
    torch.testing.assert_close(prepared[0, 0], blue - 0.1)
    torch.testing.assert_close(prepared[0, 2], (red - 0.3) / 4)


@pytest.mark.parametrize("size", [(300, 400), (400, 301), (120, 90), (224, 224), (224, 500)])
@pytest.mark.parametrize("kind", ["clip", "videomae"])
def test_frames_are_prepared_as_transformers_prepares_them_with_pillow(size, kind: str):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    rng = np.random.default_rng(1)
    small = torch.from_numpy(rng.uniform(0, 255, (1, 3, 30, 40)))
    frame = F.interpolate(small, size, mode="bicubic").clamp(0, 255).round().byte()
    frame = frame[0].permute(1, 2, 0).numpy()
    usual = CLIP_PROCESSOR if kind == "clip" else VIDEOMAE_PROCESSOR
    if kind == "clip":
        expected = CLIPImageProcessorPil(**usual)(frame, return_tensors="np")["pixel_values"][0]
    else:
        processor = VideoMAEImageProcessorPil(**usual)
        expected = processor([frame], return_tensors="np")["pixel_values"][0, 0]
    ours = prepare(frame[None, None], published(usual, 224, FrameChoice()))[0, :, 0].numpy()
    levels = np.abs(ours - expected) * np.array(usual["image_std"])[:, None, None] * 255
    assert ours.shape == expected.shape
    assert levels.max() < 1.01
    assert levels.mean() < 0.01
