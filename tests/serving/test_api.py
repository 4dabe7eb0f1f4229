"""The API without workers: what is taken, what is refused, and with which sentence."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.grid.spec import Layout
from filmgrid.serving.api import make_app
from filmgrid.serving.auth import COOKIE
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.quota import sweep, tidy, used
from filmgrid.serving.service import Service, find_token

from .conftest import HERE, noise

TOKEN = "a-token-of-sufficient-length"


def submit(client, key=None, **request):
    headers = {} if key is None else {"idempotency-key": key}
    return client.post("/api/jobs", json={"request": request}, headers=headers)


def refused(answer, status=422):
    """The sentence of a refusal."""
    assert answer.status_code == status, answer.text
    text = answer.json()["detail"]
    assert isinstance(text, str) and "Traceback" not in text and "/tmp" not in text
    return text


def send(client, *files):
    return client.post("/api/uploads", files=[("file", each) for each in files])


# ---- jobs --------------------------------------------------------------------------------------


def test_a_submitted_job_waits_and_tells_what_it_will_be(client):
    answer = submit(client, prompt="a star", layout="2x4", upscale=2)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["position"], job["layout"]) == ("queued", 0, "2x4")
    assert (job["num_frames"], job["cell"], job["fps"]) == (8, [128, 128], 8.0)
    assert job["request"] == {"prompt": "a star", "layout": "2x4", "upscale": 2}
    assert client.get(f"/api/jobs/{job['id']}").json() == job
    assert client.get("/api/jobs").json()["jobs"] == [job]


def test_the_same_key_gives_the_same_job(client):
    first = submit(client, "k", prompt="a star").json()
    assert submit(client, "k", prompt="a star").json()["id"] == first["id"]
    assert "another request" in refused(submit(client, "k", prompt="a circle"), 409)
    assert len(client.get("/api/jobs").json()["jobs"]) == 1


def test_jobs_are_listed_in_pages_and_by_state(client):
    jobs = [submit(client, prompt="a star", seed=seed).json()["id"] for seed in range(5)]
    client.post(f"/api/jobs/{jobs[2]}/cancel")
    page = client.get("/api/jobs", params={"limit": 2}).json()
    assert [each["id"] for each in page["jobs"]] == [jobs[4], jobs[3]]
    page = client.get("/api/jobs", params={"limit": 3, "before": page["next"]}).json()
    assert [each["id"] for each in page["jobs"]] == [jobs[2], jobs[1], jobs[0]]
    found = client.get("/api/jobs", params={"state": "cancelled"}).json()["jobs"]
    assert [each["id"] for each in found] == [jobs[2]]


@pytest.mark.parametrize(
    "request_, words",
    [
        ({"layout": "0x4"}, "at least 1x1"),
        ({"promt": "a star"}, "Did you mean prompt?"),
        ({"prompt": "a star", "steps": 10**9}, "more than the 200 allowed"),
        ({"prompt": "a star", "cell": 50}, "the nearest is 48x48"),
        ({"layout": "16x16", "cell": 1024}, "pixels allowed here"),
        ({"frames": 10**6}, "more than the 256"),
        ({"best_of": 1000}, "best_of 1000"),
        ({"model": "flux1-dev"}, "not served here"),
        ({"model": "/etc"}, "not served here"),
        ({"lora": ["someone/something"]}, "chosen by who starts the server"),
        ({"transformer": "/etc/passwd"}, "chosen by who starts the server"),
        ({"device": "cpu"}, "chosen by who starts the server"),
        ({"upscale": "/etc/passwd.pth"}, "files and folders belong to the machine"),
        ({"upscale": "/etc"}, "files and folders belong to the machine"),
        ({"upscale": [2]}, "files and folders belong to the machine"),
        ({"image": "/etc/passwd"}, "no file of this server"),
        ({"image": "upload:../../etc/passwd"}, "no file of this server"),
        ({"video": "http://example.com/a.mp4"}, "no file of this server"),
        ({"keyframe": ["3=../../x.png"]}, "no file of this server"),
        ({"image": "upload:0123456789abcdef"}, "upload the file again"),
        ({"video": "job:0123456789abcdef"}, "There is no job"),
        ({"redraw": "0-9999999", "video": "upload:0123456789abcdef"}, "beyond 256"),
        ({"prompt": "x" * 20_000}, "at most 10000"),
        ({"prompt": "\ud800"}, "no text"),
        ({"fps": 1e9}, "frames per second"),
        ({"seed": 2**63 - 1, "best_of": 2}, "too large"),
        ({"sigma": float("nan")}, "sigma"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(client, request_, words):
    body = json.dumps({"request": request_})
    answer = client.post("/api/jobs", content=body, headers={"content-type": "application/json"})
    assert words in refused(answer)
    assert client.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", "1", '{"request": []}', '{"request": {}, "x": 1}', "[" * 10**5]
)
def test_a_body_that_is_no_job_is_refused(client, body):
    headers = {"content-type": "application/json"}
    answer = client.post("/api/jobs", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_what_waits_is_cancelled_retried_pinned_and_deleted(client, service):
    job = submit(client, prompt="a star").json()["id"]
    assert "Cancel it first" in refused(client.delete(f"/api/jobs/{job}"), 409)
    assert client.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/jobs/{job}/retry").json()["state"] == "queued"
    assert client.post(f"/api/jobs/{job}/pin").json()["pinned"]
    assert not client.post(f"/api/jobs/{job}/unpin").json()["pinned"]
    client.post(f"/api/jobs/{job}/cancel")
    assert service.workspace.job(job).is_dir()
    assert client.delete(f"/api/jobs/{job}").status_code == 204
    assert not service.workspace.job(job).exists()
    refused(client.get(f"/api/jobs/{job}"), 404)


def test_a_full_queue_is_said(tmp_path):
    service = Service(ServeConfig(workspace=tmp_path, queue=2))
    with TestClient(make_app(service), base_url=HERE) as client:
        for seed in (1, 2):
            assert submit(client, prompt="a star", seed=seed).status_code == 202
        assert "2 jobs wait already" in refused(submit(client, prompt="a star"), 429)


def test_a_plan_says_what_it_takes_and_why_not(client):
    told = client.post("/api/plan", json={"request": {"prompt": "a star", "best_of": 2}}).json()
    assert (told["task"], told["layout"], told["frames"]) == ("text", "4x4", 16)
    assert told["tokens"] == 256 and told["passes"] == 100 and told["memory_bytes"] > 2**28
    assert told["seconds"] > 0
    assert "multiple" in refused(client.post("/api/plan", json={"request": {"cell": 50}}))


def test_models_limits_and_health_are_told(client):
    [mini] = client.get("/api/models").json()
    assert (mini["name"], mini["default_layout"], mini["cell"]) == ("mini", "4x4", [64, 64])
    assert mini["task_defaults"]["edit"] == 0.85
    assert client.get("/api/limits").json()["upload_bytes"] == 2 * 2**20
    assert client.get("/healthz").status_code == 503  # there is no worker
    numbers = client.get("/metrics").text
    assert 'filmgrid_jobs{state="queued"} 0.0' in numbers
    assert "filmgrid_http_requests_total" in numbers


def test_the_documentation_fetches_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    assert "/api/jobs/{job}/cancel" in page
    assert "http://" not in page and "https://" not in page
    assert client.get("/openapi.json").json()["paths"]["/api/jobs"]


# ---- uploads -----------------------------------------------------------------------------------


def test_a_picture_is_kept_looked_at_and_used(client, service, picture):
    told = send(client, ("cat.png", picture.read_bytes())).json()
    assert (told["name"], told["kind"], told["num_frames"]) == ("cat.png", "image", 1)
    assert (told["height"], told["width"], told["layout"]) == (64, 64, None)
    shown = client.get(f"/api/uploads/{told['id']}/frames/0.png")
    assert shown.headers["content-type"] == "image/png"
    assert client.get(f"/api/uploads/{told['id']}").json() == told
    assert client.get(f"/api/uploads/{told['id']}/thumb").status_code == 200
    job = submit(client, prompt="a star", image=f"upload:{told['id']}").json()["id"]
    kept = json.loads((service.workspace.job(job) / "job.json").read_text())
    assert kept["request"]["image"] == "inputs/image.png"
    assert client.delete(f"/api/uploads/{told['id']}").status_code == 204
    refused(client.get(f"/api/uploads/{told['id']}"), 404)
    inside = service.workspace.job(job) / "inputs" / "image.png"
    assert inside.read_bytes() == picture.read_bytes()


def test_a_clip_gives_its_frames(client, clip):
    told = send(client, ("clip.mp4", clip.read_bytes())).json()
    assert (told["kind"], told["num_frames"], told["fps"]) == ("clip", 16, 8.0)
    assert client.get(f"/api/uploads/{told['id']}/frames/15.png").status_code == 200
    assert "16 frames" in refused(client.get(f"/api/uploads/{told['id']}/frames/16.png"), 404)
    asked = {"prompt": "a star", "video": f"upload:{told['id']}", "redraw": "3"}
    assert submit(client, **asked).json()["layout"] == "4x4"
    keyframe = {"prompt": "a star", "keyframe": [f"2=upload:{told['id']}/7"]}
    assert submit(client, **keyframe).status_code == 202
    assert "Name one of its 16 frames" in refused(
        submit(client, prompt="x", image=f"upload:{told['id']}")
    )
    assert "has no frame 16" in refused(submit(client, keyframe=[f"2=upload:{told['id']}/16"]))


def test_a_grid_of_ours_and_several_pictures_are_clips(client, tmp_path):
    frames = noise(6, 32, 32)
    [grid] = save_sequence(
        frames, tmp_path / "grid.png", provenance=Provenance(), layout=Layout(2, 3)
    )
    told = send(client, ("grid.png", grid.read_bytes())).json()
    assert (told["kind"], told["layout"], told["num_frames"]) == ("clip", "2x3", 6)
    assert (told["height"], told["width"]) == (32, 32)
    answer = client.get(f"/api/uploads/{told['id']}/frames/4.png")
    (tmp_path / "four.png").write_bytes(answer.content)
    assert (np.asarray(Image.open(tmp_path / "four.png")) == frames[4]).all()
    folder = save_sequence(frames, tmp_path / "frames", provenance=Provenance())[0]
    files = [(f"img{n}.png", (folder / f"{n:05d}.png").read_bytes()) for n in (5, 0, 1, 2, 3, 4)]
    told = send(client, *files).json()
    assert (told["name"], told["kind"], told["num_frames"]) == ("6 pictures", "clip", 6)
    answer = client.get(f"/api/uploads/{told['id']}/frames/5.png")
    (tmp_path / "five.png").write_bytes(answer.content)
    assert (np.asarray(Image.open(tmp_path / "five.png")) == frames[5]).all()


def bomb():
    """A PNG of a few hundred bytes that says it has 40000 x 40000 pixels."""
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("clip.mp4", b"this is a text\n" * 40, "clip.mp4 cannot be read as a video or a picture"),
        ("empty.png", b"", "empty"),
        ("bomb.png", bomb(), "decompression bomb"),
        ("model.pt", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00", "cannot be read"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "cannot be read"),
        ("concat.txt", b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be read"),
        (
            "a.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
            "cannot be read",
        ),
        ("../../up.png", b"no", "up.png cannot be read"),
    ],
)
def test_what_is_no_picture_and_no_clip_is_refused(client, service, name, content, words):
    assert words in refused(send(client, (name, content)))
    assert list(service.workspace.uploads.iterdir()) == []


def test_frames_of_too_many_pixels_and_clips_of_too_many_frames_are_refused(tmp_path, clip):
    config = ServeConfig(workspace=tmp_path, upload_frames=10)
    with TestClient(make_app(Service(config)), base_url=HERE) as client:
        assert "more than 10 frames" in refused(send(client, ("c.mp4", clip.read_bytes())))
    config = ServeConfig(workspace=tmp_path, upload_pixels=1000)
    with TestClient(make_app(Service(config)), base_url=HERE) as client:
        assert "64x64 pixels" in refused(send(client, ("c.mp4", clip.read_bytes())))


def test_pictures_of_different_sizes_are_no_clip(client, picture, tmp_path):
    other = tmp_path / "b.png"
    Image.fromarray(noise(32, 32)).save(other)
    files = [("a.png", picture.read_bytes()), ("b.png", other.read_bytes())]
    assert "mixes sizes" in refused(send(client, *files))


def test_an_upload_that_says_it_is_large_is_refused_before_it_comes(client):
    headers = {
        "content-type": "multipart/form-data; boundary=x",
        "content-length": str(5 * 2**30),
    }
    answer = client.post("/api/uploads", content=b"--x\r\n", headers=headers)
    assert "5,120 MB is more than the 2 MB" in refused(answer, 413)


def test_an_upload_that_does_not_say_how_large_it_is_is_stopped(client, service):
    sent = 0

    def body():
        nonlocal sent
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for _ in range(100):
            sent += 2**17
            yield b"0" * 2**17
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/uploads", content=body(), headers=headers)
    assert "more than the 2 MB" in refused(answer, 413)
    assert list(service.workspace.uploads.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"--y\r\n", b"nothing", b"--x--\r\n"])
def test_a_form_without_a_file_is_refused(client, body):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    refused(client.post("/api/uploads", content=body, headers=headers))
    refused(client.post("/api/uploads", content=body))


# ---- nothing else can be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/../../token",
        "/api/jobs/..%2f..%2ftoken",
        "/api/jobs/%2e%2e/job.json",
        "/api/jobs/ABCDEF0123456789",
        "/api/jobs/0123456789abcdef%00",
        "/api/uploads/..%2f..%2ffilmgrid.sqlite3/frames/0.png",
        "/api/uploads/....//....//etc/passwd",
        "/studio/../api.py",
        "/studio/..%2fapi.py",
        "/studio/%2e%2e/api.py",
        "//etc/passwd",
        "/v1/videos/video_../content",
        "/api/jobs/0123456789abcdef/export/..%2f..%2ftoken",
        "/api/jobs/0123456789abcdef/frames/..%2f..%2fjob.json",
    ],
)
def test_no_path_leads_out(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 405, 422)
    assert "root:" not in answer.text and "import" not in answer.text


def test_links_inside_a_folder_of_pictures_are_not_followed(client, service, picture):
    told = send(client, ("cat.png", picture.read_bytes())).json()
    assert not any(path.is_symlink() for path in service.workspace.folder.rglob("*"))
    assert told["id"] in os.listdir(service.workspace.uploads)


# ---- who may ask -------------------------------------------------------------------------------


@pytest.fixture
def guarded(service):
    app = make_app(service, TOKEN)
    with TestClient(app, base_url="http://studio.example") as client:
        yield client


def test_beyond_loopback_the_token_is_required(guarded):
    assert "asks for its token" in refused(guarded.get("/api/jobs"), 401)
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/docs").status_code == 401
    assert guarded.get("/healthz").status_code == 503
    for wrong in ("Bearer nothing", f"Basic {TOKEN}", "Bearer", "Bearer \xe9"):
        headers = {"authorization": wrong.encode("latin-1")}
        assert guarded.get("/api/jobs", headers=headers).status_code == 401
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/api/jobs", headers=headers).status_code == 200


def test_a_token_in_the_address_becomes_a_cookie(guarded):
    assert guarded.get("/?token=wrong").status_code == 401
    answer = guarded.get(f"/?token={TOKEN}")
    assert answer.status_code == 200
    told = answer.headers["set-cookie"]
    assert f"{COOKIE}={TOKEN}" in told and "HttpOnly" in told and "SameSite=Strict" in told
    assert guarded.get("/api/jobs").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_pages_may_not_change_anything(client, headers):
    answer = client.post("/api/jobs", json={"request": {}}, headers=headers)
    assert "own page" in refused(answer, 403)
    assert client.get("/api/jobs").json()["jobs"] == []


def test_our_own_page_may(client):
    headers = {"origin": HERE, "sec-fetch-site": "same-origin"}
    answer = client.post("/api/jobs", json={"request": {}}, headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost@x"])
def test_on_loopback_the_name_of_the_host_is_checked(client, host):
    assert client.get("/api/jobs", headers={"host": host}).status_code in (400, 403)
    for good in ("localhost:7860", "127.0.0.1", "[::1]:80"):
        assert client.get("/api/jobs", headers={"host": good}).status_code == 200


def test_every_answer_says_what_a_page_may_do(client):
    for path in ("/", "/api/jobs", "/nothing", "/docs"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_token_is_made_once_and_only_the_owner_reads_it(tmp_path):
    open_config = ServeConfig(workspace=tmp_path, host="0.0.0.0")
    token = find_token(open_config)
    assert token and len(token) > 30 and find_token(open_config) == token
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    assert find_token(ServeConfig(workspace=tmp_path)) is None
    assert find_token(ServeConfig(workspace=tmp_path, token=TOKEN)) == TOKEN


# ---- space -------------------------------------------------------------------------------------


def fill(service, count, size):
    jobs = []
    for seed in range(count):
        record = service.submit({"prompt": "a star", "seed": seed})
        service.workforce.hello("w", 1, "cpu", "ready")
        service.workforce.claim("w", 100)
        service.workforce.finish(record.id, "w", lambda: None, {}, size)
        jobs.append(record.id)
    return jobs


def test_the_oldest_that_are_not_pinned_make_room(config, service):
    jobs = fill(service, 6, 2**20)
    service.store.pin(jobs[0], pinned=True)
    small = config.model_copy(update={"quota_gb": 3.5 / 1024})
    assert tidy(small, service.store, service.uploads) == 3
    left = [each.id for each in service.store.listed()]
    assert left == [jobs[5], jobs[4], jobs[0]]
    assert used(service.store) == 3 * 2**20
    assert not service.workspace.job(jobs[1]).exists()
    assert tidy(small, service.store, service.uploads) == 0


def test_when_all_is_pinned_no_more_is_taken(tmp_path):
    service = Service(ServeConfig(workspace=tmp_path, quota_gb=1 / 1024))
    for job in fill(service, 2, 2**20):
        service.store.pin(job, pinned=True)
    with TestClient(make_app(service), base_url=HERE) as client:
        assert "full of pinned jobs" in refused(submit(client, prompt="a star", seed=9), 429)


def test_what_a_dead_process_left_is_swept(service):
    record = service.submit({"prompt": "a star"})
    for name in ("0123456789abcdef", ".part-0123456789abcdef"):
        (service.workspace.jobs / name).mkdir()
        (service.workspace.uploads / name).mkdir()
    (service.workspace.jobs / "notes").mkdir()
    sweep(service.store, service.workspace)
    assert sorted(each.name for each in service.workspace.jobs.iterdir()) == sorted(
        [record.id, "notes"]
    )
    assert list(service.workspace.uploads.iterdir()) == []


# ---- OpenAI's words ----------------------------------------------------------------------------


def test_videos_are_jobs_in_other_words(client):
    answer = client.post("/v1/videos", json={"prompt": "a star", "seconds": "4", "size": "64x64"})
    assert answer.status_code == 200, answer.text
    video = answer.json()
    assert (video["object"], video["status"], video["seconds"]) == ("video", "queued", "4")
    assert client.get(f"/v1/videos/{video['id']}").json() == video
    listed = client.get("/v1/videos").json()
    assert listed["data"] == [video] and not listed["has_more"]
    job = client.get("/api/jobs").json()["jobs"][0]
    assert (job["num_frames"], job["request"]["frames"]) == (32, 32)
    assert client.get(f"/v1/videos/{video['id']}/content").status_code == 404
    assert client.delete(f"/v1/videos/{video['id']}").json()["deleted"]
    assert client.get(f"/v1/videos/{video['id']}").status_code == 404


def test_a_first_frame_comes_as_a_form(client, picture):
    files = {"input_reference": ("a.png", picture.read_bytes(), "image/png")}
    answer = client.post("/v1/videos", data={"prompt": "a star", "model": "mini"}, files=files)
    assert answer.status_code == 200, answer.text
    job = client.get("/api/jobs").json()["jobs"][0]
    assert job["request"]["image"].startswith("upload:")


def test_its_refusals_have_its_form(client):
    for body in ({"prompt": "a", "size": "63x64"}, {"prompt": "a", "model": "sora-2"}, {}, []):
        answer = client.post("/v1/videos", json=body)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error" and error["message"]
    assert client.post("/v1/images/generations", json={"prompt": "a", "n": 99}).status_code == 400
    assert client.get("/v1/models").json()["data"][0]["id"] == "mini"
