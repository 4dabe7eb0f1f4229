import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from filmgrid.models.facts import BackboneFacts
from filmgrid.training.card import push, write_card
from filmgrid.training.config import TrainConfig
from filmgrid.training.model_config import LoraSettings


def facts_of(**changes):
    return BackboneFacts(
        **{
            "family": "flux",
            "name": "black-forest-labs/FLUX.1-dev",
            "layout": "4x6",
            "trained_layouts": ("4x6", "4x4"),
            "cell": (256, 256),
            "stride": 16,
            "has_text": True,
            "per_cell_sigma": False,
            "licence": "flux-1-dev-non-commercial-license",
            "training": {"progress": {"step": 1500, "seconds": 7200.0}},
            "versions": {"filmgrid": "0.1.0"},
            **changes,
        }
    )


def config_of(tmp_path, **changes):
    return TrainConfig(
        out=tmp_path, name="turns", start_from="flux1-dev", lora=LoraSettings(rank=16), **changes
    )


def test_the_card_of_a_lora_says_what_it_is_and_how_it_is_used(tmp_path):
    write_card(config_of(tmp_path, push_to="me/turns"), facts_of(), tmp_path)
    text = (tmp_path / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["base_model"] == "black-forest-labs/FLUX.1-dev"
    assert head["license"] == "flux-1-dev-non-commercial-license"
    assert {"lora", "filmgrid"} <= set(head["tags"])
    assert "--model flux1-dev --lora me/turns --layout 4x6" in text
    assert 'load_lora_weights("me/turns")' in text
    assert "1500 steps" in text and "2.0 hours" in text and "LoRA of rank 16" in text


def test_the_card_of_a_grid_transformer_names_no_pipeline(tmp_path):
    config = TrainConfig(out=tmp_path, name="mine", licence="Apache-2.0")
    write_card(config, facts_of(family="mini", name="mine"), tmp_path)
    text = (tmp_path / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["license"] == "Apache-2.0" and "base_model" not in head
    assert "--model FOLDER" in text and "load_lora_weights" not in text


@contextmanager
def hub(status=200):
    """A Hub on this machine that takes a model, or refuses it."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            """Be quiet."""

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.path, body))
            if self.path.endswith("/create"):
                told = {"url": "https://huggingface.co/me/turns", "name": "me/turns", "id": "1"}
            elif "/preupload/" in self.path:
                files = json.loads(body)["files"]
                told = {
                    "files": [
                        {**each, "uploadMode": "regular", "shouldIgnore": False} for each in files
                    ]
                }
            else:
                told = {"commitUrl": "https://huggingface.co/me/turns/commit/1", "commitOid": "1"}
            self.answer(status, told)

        def do_GET(self):
            self.answer(200, {"id": "me/turns", "siblings": [], "sha": "0" * 40})

        def answer(self, status, told):
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "step-00000007"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "README.md").write_text("# a card")
    (folder / "model" / "pytorch_lora_weights.safetensors").write_bytes(b"weights")
    return folder


def pushed(monkeypatch, place, config, checkpoint):
    from huggingface_hub import HfApi

    monkeypatch.setattr(
        "filmgrid.training.card.HfApi", lambda **words: HfApi(place, token="none", **words)
    )
    return push(config, checkpoint)


def test_the_weights_and_the_card_are_pushed(tmp_path, checkpoint, monkeypatch):
    config = config_of(tmp_path, push_to="me/turns")
    with hub() as (place, seen):
        address = pushed(monkeypatch, place, config, checkpoint)
    assert address == "https://huggingface.co/me/turns/commit/1"
    assert b"private" in seen[0][1]
    commit = [json.loads(line) for line in seen[-1][1].decode().splitlines()]
    names = {each["value"]["path"] for each in commit if each["key"] == "file"}
    assert names == {"README.md", "pytorch_lora_weights.safetensors"}
    assert commit[0]["value"]["summary"] == "step-00000007"


def test_a_push_that_fails_says_how_it_is_done_later(tmp_path, checkpoint, monkeypatch, caplog):
    config = config_of(tmp_path, push_to="me/turns")
    with hub(status=403) as (place, _):
        assert pushed(monkeypatch, place, config, checkpoint) is None
    assert f"hf upload me/turns {checkpoint / 'model'}" in caplog.text
