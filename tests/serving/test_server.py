"""The whole: a server with a real worker on mini."""

import base64
import io
import json
import re
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from filmgrid import cli
from filmgrid.data.export import save_sequence
from filmgrid.data.media import probe, read_clip, read_grid
from filmgrid.data.provenance import Provenance
from filmgrid.generator import Generator

from .conftest import events, noise

PROMPT = "a red circle moving right on a navy background"
QUICK = {"prompt": PROMPT, "steps": 3, "layout": "2x2"}


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_job_gives_the_frames_that_the_generator_gives(server):
    job = server.submit(**QUICK, seed=3)
    told = server.done(job)
    assert (told["step"], told["num_steps"], told["attempt"]) == (3, 3, 1)
    assert told["resolved"]["task"] == "text" and told["resolved"]["seed"] == 3
    again = server.submit(**QUICK, seed=3)
    server.done(again)
    assert [server.frame(job, n) for n in range(4)] == [server.frame(again, n) for n in range(4)]
    made = Generator.from_pretrained("mini")(**_call(QUICK), seed=3).arrays[0]
    shown = np.stack([pixels(server.frame(job, number)) for number in range(4)])
    assert np.abs(shown.astype(int) - made).max() <= 8  # threads differ, and with them kernels


def _call(request):
    words = dict(request)
    return {"prompt": words["prompt"], "num_inference_steps": 3, "layout": words["layout"]}


def test_events_tell_it_as_it_comes(server):
    job = server.submit(**{**QUICK, "steps": 6, "layout": "4x4"})
    with server.client.stream("GET", f"/api/jobs/{job}/events", timeout=120) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    told = events(text)
    assert [data["step"] for name, data in told if name == "progress"][-1] >= 5
    states = [data["state"] for name, data in told if name == "state"]
    assert states[0] in ("queued", "running") and states[-1] == "done"
    shown = [data for name, data in told if name == "preview"]
    assert shown and shown[0]["url"].startswith(f"/api/jobs/{job}/preview")
    answer = server.client.get(shown[0]["url"])
    assert int(answer.headers["x-step"]) >= 1
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.format == "WEBP" and max(picture.size) <= 512
    # who left off goes on from there
    last = re.findall(r"^id: (\d+)$", text, re.M)[-1]
    answer = server.client.get(f"/api/jobs/{job}/events", headers={"last-event-id": last})
    assert answer.status_code == 204
    answer = server.client.get(f"/api/jobs/{job}/events", headers={"last-event-id": "0"})
    assert events(answer.text)[-1][1]["state"] == "done"


def test_all_jobs_are_told_on_one_line(server):
    with server.client.stream("GET", "/api/events", timeout=120) as answer:
        lines = answer.iter_lines()
        next(lines)
        job = server.submit(**QUICK, seed=77)
        for line in lines:
            if line.startswith("data: ") and '"state": "done"' in line and job in line:
                break
    assert json.loads(line.removeprefix("data: "))["id"] == job


def test_a_given_frame_comes_out_bit_for_bit(server, picture):
    upload = server.upload(picture)
    job = server.submit(**{**QUICK, "image": f"upload:{upload['id']}"})
    server.client.delete(f"/api/uploads/{upload['id']}")  # the job has its own copy
    told = server.done(job)
    assert (pixels(server.frame(job, 0)) == np.asarray(Image.open(picture))).all()
    assert told["resolved"]["image"] == "inputs/image.png"
    grid = server.client.get(f"/api/jobs/{job}/export/png").content
    assert (pixels(grid)[:64, :64] == np.asarray(Image.open(picture))).all()


def test_redrawing_two_cells_leaves_the_others_bit_exact(server):
    first = server.submit(**QUICK, seed=5)
    server.done(first)
    job = server.submit(**QUICK, seed=6, video=f"job:{first}", redraw="1,2")
    server.done(job)
    same = [server.frame(first, n) == server.frame(job, n) for n in range(4)]
    kept = [(pixels(server.frame(first, n)) == pixels(server.frame(job, n))).all() for n in (0, 3)]
    assert all(kept) and not same[1] and not same[2]


def test_a_frame_of_a_job_is_a_keyframe_of_another(server):
    first = server.submit(**QUICK, seed=8)
    server.done(first)
    job = server.submit(**QUICK, keyframe=[f"0=job:{first}/3", f"3=job:{first}/0"])
    server.done(job)
    assert (pixels(server.frame(job, 0)) == pixels(server.frame(first, 3))).all()
    assert (pixels(server.frame(job, 3)) == pixels(server.frame(first, 0))).all()


def test_every_format_opens(server, tmp_path):
    job = server.submit(**QUICK, seed=3)
    server.done(job)
    frames = np.stack([pixels(server.frame(job, number)) for number in range(4)])
    for kind in ("mp4", "webm", "gif", "webp", "png"):
        answer = server.client.get(f"/api/jobs/{job}/export/{kind}", params={"scale": 2})
        assert answer.status_code == 200, answer.text
        name = answer.headers["content-disposition"]
        assert "a-red-circle-moving-right" in name and f".{kind}" in name
        path = tmp_path / f"made.{kind}"
        path.write_bytes(answer.content)
        clip = read_grid(path) if kind == "png" else read_clip(path)
        assert clip.frames.shape == (4, 128, 128, 3)
        if kind in ("png", "webp"):
            assert (clip.frames[:, ::2, ::2] == frames).all()
    answer = server.client.get(f"/api/jobs/{job}/export/mp4", params={"fps": 4})
    (tmp_path / "slow.mp4").write_bytes(answer.content)
    assert probe(tmp_path / "slow.mp4").fps == 4
    inside = {}
    for kind in ("frames", "sprite", "transforms"):
        answer = server.client.get(f"/api/jobs/{job}/export/{kind}")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            inside[kind] = {name.split("/", 1)[1] for name in archive.namelist()}
            assert archive.testzip() is None
    assert {"frames/00000.png", "frames/00003.png", "frames/filmgrid.json"} <= inside["frames"]
    assert {name.rpartition(".")[2] for name in inside["sprite"]} == {"png", "json"}
    assert "transforms.json" in inside["transforms"]
    answer = server.client.get(f"/api/jobs/{job}/export/nifti")
    assert answer.content[:2] == b"\x1f\x8b"
    assert server.client.get(f"/api/jobs/{job}/export/exe").status_code == 422
    assert server.client.get(f"/api/jobs/{job}/export/gif?fps=60").status_code == 422
    assert server.client.get(f"/api/jobs/{job}/thumb").status_code == 200


def test_parts_of_a_file_are_given(server):
    job = server.submit(**QUICK, seed=3)
    server.done(job)
    url = f"/api/jobs/{job}/export/mp4"
    whole = server.client.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    part = server.client.get(url, headers={"range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert server.client.get(url, headers={"range": "bytes=99999999-"}).status_code == 416


def test_a_job_is_cancelled_within_a_step(server):
    job = server.submit(**{**QUICK, "steps": 200, "layout": "4x4"})
    server.until(lambda: server.job(job)["step"] >= 2)
    began = time.monotonic()
    server.client.post(f"/api/jobs/{job}/cancel")
    told = server.ended(job)
    step = told["step"]
    assert told["state"] == "cancelled" and step < 200
    assert time.monotonic() - began < 5
    time.sleep(0.5)
    assert server.job(job)["step"] == step
    assert server.client.get(f"/api/jobs/{job}/export/mp4").status_code == 404


def test_a_long_sequence_is_made_window_after_window(server):
    job = server.submit(**QUICK, frames=10)
    told = server.done(job)
    assert (told["num_frames"], told["num_steps"]) == (10, 12)
    assert server.frame(job, 9)
    assert "do not fill" in server.client.get(f"/api/jobs/{job}/export/png").json()["detail"]
    assert not (server.workspace / "jobs" / job / "work").exists()


def test_what_cannot_be_made_fails_with_a_sentence_and_nothing_else_does(server, tmp_path):
    save_sequence(noise(16, 64, 64), tmp_path / "whole.mp4", provenance=Provenance())
    whole = (tmp_path / "whole.mp4").read_bytes()
    frames = tmp_path / "short.mp4"
    frames.write_bytes(whole[: len(whole) * 2 // 3])
    upload = server.upload(frames)  # its header promises all frames
    asked = {**QUICK, "layout": "4x4", "task": "edit", "fit": "crop"}
    job = server.submit(**asked, video=f"upload:{upload['id']}")
    told = server.ended(job)
    assert told["state"] == "failed" and "cut short" in told["error"]
    assert str(server.workspace) not in told["error"]


def test_images_of_openais_api_come_at_once(server):
    answer = server.client.post(
        "/v1/images/generations", json={"prompt": "a star", "n": 1, "size": "64x64"}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    assert pixels(base64.b64decode(answer.json()["data"][0]["b64_json"])).shape == (64, 64, 3)


def test_videos_of_openais_api_are_made(server):
    video = server.client.post("/v1/videos", json={"prompt": "a star"}).json()
    server.done(video["id"].removeprefix("video_"))
    told = server.client.get(f"/v1/videos/{video['id']}").json()
    assert (told["status"], told["progress"]) == ("completed", 100)
    content = server.client.get(f"/v1/videos/{video['id']}/content")
    assert content.headers["content-type"] == "video/mp4" and b"ftyp" in content.content[:16]


def test_openais_own_client_speaks_to_it(server):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=str(server.client.base_url.join("/v1")), api_key="none")
    assert [each.id for each in client.models.list()] == ["mini"]
    answer = client.images.generate(prompt="a star", model="mini", size="64x64")
    assert answer.data[0].b64_json
    video = client.videos.create(prompt="a star", model="mini")
    assert client.videos.retrieve(video.id).status in ("queued", "in_progress", "completed")
    assert video.id in [each.id for each in client.videos.list()]


@pytest.mark.parametrize("what", ["job.json", "png", "mp4"])
def test_a_file_is_enough_to_make_it_again(server, tmp_path, what, picture):
    upload = server.upload(picture)
    job = server.submit(**QUICK, seed=9, image=f"upload:{upload['id']}")
    server.done(job)
    folder = server.workspace / "jobs" / job
    path = folder / "job.json"
    if what != "job.json":
        path = tmp_path / f"made.{what}"
        path.write_bytes(server.client.get(f"/api/jobs/{job}/export/{what}").content)
        with pytest.raises(SystemExit):
            cli.main(["repro", str(path), "--out", str(tmp_path / "again.png")])
        (tmp_path / "inputs").mkdir()
        (tmp_path / "inputs" / "image.png").write_bytes(picture.read_bytes())
    out = tmp_path / "again.png"
    cli.main(["repro", str(path), "--out", str(out)])
    before = np.stack([pixels(server.frame(job, number)) for number in range(4)])
    assert (read_grid(out).frames == before).all()


def test_what_tells_nothing_cannot_be_made_again(tmp_path, picture, capsys):
    (tmp_path / "x.json").write_text('{"a": 1}')
    for path, words in ((picture, "tells no request"), (tmp_path / "x.json", "no job of filmgrid")):
        with pytest.raises(SystemExit) as stop:
            cli.main(["repro", str(path)])
        assert stop.value.code == 2 and words in capsys.readouterr().err


def test_a_second_server_does_not_take_the_workspace(server):
    done = subprocess.run(
        [sys.executable, "-m", "filmgrid", "serve", "--workspace", str(server.workspace)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Another filmgrid serve" in done.stderr


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, capsys):
    from filmgrid.serving import extra

    monkeypatch.setattr(extra, "PACKAGES", ("a_package_that_is_not_there",))
    with pytest.raises(SystemExit) as stop:
        cli.main(["serve"])
    assert stop.value.code == 2
    assert "pip install 'filmgrid[serve]'" in capsys.readouterr().err
