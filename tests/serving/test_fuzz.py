"""Whatever is sent: no mistake of the server's own, no hang, no file outside the workspace."""

import json
import os
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from starlette.testclient import TestClient

from filmgrid.serving.api import make_app
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.service import Service

from .conftest import HERE, noise

LONGEST_S = 60
"""An answer that takes longer is a hang; the machine may be busy."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "secret.txt").write_text("the secret")
    return folder


@pytest.fixture(scope="module")
def app(place):
    service = Service(ServeConfig(workspace=place / "workspace", upload_mb=1, max_frames=64))
    service.workforce.hello("w", 1, "cpu", "ready")  # so that healthz is well
    service.warm_up()
    return make_app(service)


def outside(place):
    """All files beside the workspace."""
    return {
        path: path.stat().st_mtime_ns
        for path in place.rglob("*")
        if "workspace" not in path.relative_to(place).parts
    }


def fuzz_one(operation, count):
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case):
        case.headers = {**(case.headers or {}), "host": "127.0.0.1"}
        began = time.monotonic()
        answer = case.call(timeout=LONGEST_S)
        took = time.monotonic() - began
        case.validate_response(answer, checks=[not_a_server_error])
        assert took < LONGEST_S, f"{operation.label} took {took:.0f} s"
        assert b"the secret" not in answer.content

    ask()


def fuzz(app, place, count):
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "127.0.0.1"})
    operations = [each.ok() for each in schema.get_all_operations()]
    # What is never ready without a worker, or never ends, is tried in tests of its own.
    endless = ("/api/events", "/v1/images/generations")
    operations = [each for each in operations if each.path not in endless]
    before, inside = outside(place), os.listdir(place)
    each = max(5, count // len(operations))
    for operation in operations:
        fuzz_one(operation, each)
    assert outside(place) == before and os.listdir(place) == inside
    return each * len(operations)


def test_fuzzed_requests_are_answered(app, place):
    assert fuzz(app, place, 150) >= 100


@pytest.mark.long
def test_ten_thousand_fuzzed_requests_are_answered(app, place):
    assert fuzz(app, place, 10_000) >= 9_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = (
    *("prompt", "negative", "model", "task", "image", "keyframe", "video", "video_start"),
    *("video_stride", "between", "redraw", "lock", "fit", "layout", "frames", "keep_rows"),
    *("spread", "loop", "segment", "sampler", "colour_lock", "cell", "sigma", "strength"),
    *("steps", "respaced", "guidance", "shift", "wording", "conditioning", "coding", "upscale"),
    *("seed", "best_of", "batch", "fps", "device", "precision", "lora", "transformer"),
)
NEARLY = st.sampled_from(
    [
        *("4x4", "1x1", "64x64", "4x6", "1e9", "-1", "0", "5,6", "0-15", "4-2", "auto", "text"),
        *("edit", "redraw", "image", "extend", "crop", "mini", "prefix", "upload:0123456789abcdef"),
        *("job:0123456789abcdef/3", "../../secret.txt", "/etc/passwd", "3=upload:x", "5=a b"),
        *(0, 1, 2, 4, -1, 0.5, 1e308, 2**63, 10**40, True, None, "\x00", "\ud800", "é" * 50),
    ]
)
REQUESTS = st.dictionaries(
    st.sampled_from(FIELDS), NEARLY | JSON | st.lists(NEARLY, max_size=3), max_size=6
)


def ask_requests(app, count):
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:

        @settings(max_examples=count, deadline=None, database=None, derandomize=True)
        @given(request=REQUESTS, path=st.sampled_from(["/api/jobs", "/api/plan"]))
        def ask(request, path):
            body = json.dumps({"request": request})
            headers = {"content-type": "application/json"}
            began = time.monotonic()
            answer = client.post(path, content=body, headers=headers)
            assert answer.status_code in (200, 202, 422, 429), (answer.status_code, answer.text)
            assert time.monotonic() - began < LONGEST_S
            if answer.status_code == 422:
                assert answer.json()["detail"].strip()
                assert "/tmp" not in answer.json()["detail"]

        ask()


def test_fuzzed_generations_are_taken_or_refused_with_a_sentence(app):
    ask_requests(app, 150)


@pytest.mark.long
def test_many_fuzzed_generations_are_taken_or_refused_with_a_sentence(app):
    ask_requests(app, 3_000)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "multipart/form-data; boundary=" + "x" * 300},
        {"content-type": "multipart/form-data"},
        {"content-type": "multipart/form-data; boundary=\x01"},
        {"content-type": "application/json; charset=utf-7"},
        {"content-type": "\xff"},
        {"content-length": "-1"},
        {"range": "bytes=9-1,-0,abc"},
        {"idempotency-key": "\xff" * 150},
        {"last-event-id": "\u00b2"},
        {"authorization": "Bearer " + "\xff" * 100},
        {"cookie": "filmgrid_token=\xff; =;;=\x01"},
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/uploads", "/v1/videos", "/"])
def test_strange_headers_are_no_mistake_of_the_server(app, headers, path):
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        for method in ("GET", "POST", "DELETE", "OPTIONS", "PATCH"):
            body = b"{}" if method == "POST" else None
            assert client.request(method, path, headers=raw, content=body).status_code < 500


def test_uploads_of_random_bytes_are_refused(app):
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        for name in ("a.png", "a.mp4", "a.gif", "a.tif", "a.webp"):
            content = noise(8, 40).tobytes()
            answer = client.post("/api/uploads", files={"file": (name, content)})
            assert answer.status_code == 422, answer.text
