import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from filmgrid.data.fit import fit_frames
from filmgrid.data.media import probe, read_clip
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.data.video_writer import VIDEO_SUFFIXES, video_writer
from filmgrid.errors import ConfigError, MediaError, ShapeError
from filmgrid.grid.spec import CellSize
from filmgrid.types import FrameArray

TOLD = Provenance(request={"prompt": "a ball"}, layout="3x4")


SmallDisk = Callable[[int], AbstractContextManager[None]]


def write(frames: FrameArray, path: Path, fps: float = 8, scale: int = 1) -> Path:
    with video_writer(path, fps=fps, provenance=TOLD, scale=scale) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def boxes(path: Path) -> list[bytes]:
    """Names of the outermost boxes of an mp4, in order."""
    content, place, names = path.read_bytes(), 0, []
    while place < len(content):
        names.append(content[place + 4 : place + 8])
        place += int.from_bytes(content[place : place + 4], "big")
    return names


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("size", [(24, 40), (23, 40), (24, 39), (23, 39), (1, 1)])
def test_frames_come_back_in_size_number_and_looks(
    tmp_path: Path, clip: FrameArray, suffix: str, size: tuple[int, int]
):
    frames = clip[:, : size[0], : size[1]]
    read = read_clip(write(frames, tmp_path / f"a{suffix}"))
    assert read.fps == pytest.approx(8)
    assert read.frames.shape == frames.shape
    assert np.abs(read.frames.astype(int) - frames).mean() < 7


def test_odd_sides_are_padded_with_the_last_pixels_not_scaled(tmp_path: Path, clip: FrameArray):
    frames = clip[:, :23, :39].repeat(1, axis=0)
    path = write(frames, tmp_path / "odd.mp4")
    with av.open(str(path)) as container:
        coded = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert coded.shape == (24, 40, 3)
    assert np.abs(coded[:23, :39] - frames[0]).mean() < 9
    assert np.abs(coded[23] - coded[22]).mean() < 4
    assert np.abs(coded[:, 39] - coded[:, 38]).mean() < 4
    told = read_provenance(path)
    assert told is not None
    assert (told.cell, told.pad) == ((23, 39), (1, 1))
    assert (probe(path).height, probe(path).width) == (23, 39)


def test_an_mp4_opens_everywhere(tmp_path: Path, clip: FrameArray):
    path = write(clip, tmp_path / "a.mp4", fps=30000 / 1001)
    names = boxes(path)
    assert names.index(b"moov") < names.index(b"mdat")  # plays before it is loaded
    with av.open(str(path)) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")
        assert context.color_range == ColorRange.MPEG
        assert context.colorspace == context.color_primaries == context.color_trc == 1  # BT.709
        assert stream.average_rate == pytest.approx(30000 / 1001)
        assert stream.frames == len(clip)
        times = [frame.time for frame in container.decode(stream)]
    assert times == pytest.approx([index * 1001 / 30000 for index in range(12)], abs=1e-4)


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_flat_colours_survive_in_any_decoder(tmp_path: Path, suffix: str):
    colours = np.random.default_rng(0).integers(20, 236, (4, 6, 3), dtype=np.uint8)
    frame = np.kron(colours, np.ones((16, 16, 1), np.uint8))
    path = write(np.stack([frame] * 3), tmp_path / f"flat{suffix}")
    with av.open(str(path)) as container:
        (stream,) = container.streams
        decoded = next(container.decode(stream))
        assert (decoded.colorspace, decoded.color_range) == (Colorspace.ITU709, ColorRange.MPEG)
        luma, cb, cr = np.split(
            decoded.reformat(format="yuv444p").to_ndarray().astype(float)[:, 8::16, 8::16], 3
        )
    luma, cb, cr = (luma[0] - 16) / 219, (cb[0] - 128) / 224, (cr[0] - 128) / 224
    red, blue = luma + 1.5748 * cr, luma + 1.8556 * cb
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    rgb = 255 * np.stack([red, green, blue], axis=-1)
    assert np.abs(rgb - colours).max() < 6
    assert np.abs(rgb - colours).mean() < 1.5


def test_scale_repeats_pixels_without_smoothing(tmp_path: Path, clip: FrameArray):
    read = read_clip(write(clip, tmp_path / "large.mp4", scale=4)).frames
    assert read.shape == (12, 96, 160, 3)
    corners = [read[:, row::4, col::4].astype(int) for row in (1, 2) for col in (1, 2)]
    assert np.abs(np.stack(corners) - clip).mean() < 4
    assert np.ptp(np.stack(corners), axis=0).mean() < 2


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_the_same_frames_make_the_same_bytes(tmp_path: Path, noise: FrameArray, suffix: str):
    once = write(noise, tmp_path / f"a{suffix}").read_bytes()
    write(noise[:, :40], tmp_path / "between.webm")
    assert write(noise, tmp_path / f"b{suffix}").read_bytes() == once


def test_a_real_clip_makes_the_same_bytes_every_time(real_data: Path, tmp_path: Path):
    clip = read_clip(real_data / "videos" / "mmaction2_demo_demo.mp4", start=40, stop=72, stride=2)
    cell = fit_frames(clip.frames, CellSize(160, 240), "crop")
    files: set[bytes] = set()
    for _ in range(6):
        files.add(write(cell, tmp_path / "a.mp4").read_bytes())
        write(cell, tmp_path / "between.webm")  # leaves other bytes in the memory that x264 gets
    assert len(files) == 1


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_video_carries_its_request_and_layout(tmp_path: Path, clip: FrameArray, suffix: str):
    told = read_provenance(write(clip, tmp_path / f"a{suffix}", scale=2))
    assert told is not None
    assert (told.request, told.layout, told.versions) == (TOLD.request, "3x4", TOLD.versions)
    assert (told.cell, told.fps, told.scale, told.kind) == ((48, 80), 8, 2, "sequence")


def test_a_request_too_long_for_quicktime_is_refused(tmp_path: Path, clip: FrameArray):
    long = Provenance(request={"prompt": "ball " * 20_000})
    for name in ("a.mp4", "a.mkv", "a.webm"):
        with video_writer(tmp_path / name, fps=8, provenance=long) as writer:
            writer.write(clip[0])
        told = read_provenance(tmp_path / name)
        assert told is not None
        assert told.request == long.request
    with (
        pytest.raises(MediaError, match=r"does not fit into a\.mov.*\.mp4"),
        video_writer(tmp_path / "a.mov", fps=8, provenance=long) as writer,
    ):
        writer.write(clip[0])
    assert not (tmp_path / "a.mov").exists()


def failing_writes(clip: FrameArray) -> dict[str, tuple[type[Exception], str, FrameArray]]:
    return {
        "none": (MediaError, "there are no frames", clip[:0]),
        "gray": (ShapeError, "cannot be written. Give 8-bit RGB", clip[..., 0]),
        "float": (ShapeError, "type float32 cannot be written", clip.astype(np.float32)),
        "empty": (ShapeError, r"shape \(0, 40, 3\)", clip[:, :0]),
    }


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("case", ["none", "gray", "float", "empty"])
def test_what_cannot_be_written_leaves_the_earlier_file(
    tmp_path: Path, clip: FrameArray, suffix: str, case: str
):
    error, words, frames = failing_writes(clip)[case]
    path = write(clip, tmp_path / f"a{suffix}")
    earlier = path.read_bytes()
    with pytest.raises(error, match=words):
        write(frames, path)
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def test_a_frame_of_another_size_is_refused(tmp_path: Path, clip: FrameArray):
    with (
        pytest.raises(ShapeError, match="Frame 2 is 20x40, those before it 24x40"),
        video_writer(tmp_path / "a.mp4", fps=8, provenance=TOLD) as writer,
    ):
        for frame in (clip[0], clip[1], clip[2, :20]):
            writer.write(frame)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1001])
def test_rates_that_do_not_exist_are_refused(tmp_path: Path, clip: FrameArray, fps: float):
    with pytest.raises(ConfigError, match=r"cannot be played\. Use 0\.01 to 1000"):
        write(clip, tmp_path / "a.mp4", fps=fps)


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_full_disk_gets_its_own_sentence(
    tmp_path: Path, noise: FrameArray, suffix: str, small_disk: SmallDisk
):
    path = write(noise[:2], tmp_path / f"a{suffix}")
    earlier = path.read_bytes()
    full = pytest.raises(MediaError, match=r"a\.\w+ could not be written because the disk is full")
    with full, small_disk(20_000):
        write(noise, path)
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path):
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from filmgrid.data.provenance import Provenance\n"
        "from filmgrid.data.video_writer import video_writer\n"
        "with video_writer(Path(sys.argv[1]), fps=8, provenance=Provenance()) as writer:\n"
        "    for index in range(200):\n"
        "        writer.write(np.full((64, 64, 3), index, np.uint8))\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    final = tmp_path / "a.mp4"
    command = [sys.executable, "-c", program, str(final)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert process.returncode == (1 if sys.platform == "win32" else -signal.SIGKILL)
    assert not final.exists()
    assert all(path.name.startswith(".a.mp4.part-") for path in tmp_path.iterdir())
