"""A local endpoint that speaks the protocol of OpenAI, and misbehaves as it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "subject": "a ball",
    "setting": "a plain wall",
    "motion": "moves right",
    "camera": "still",
    "caption": "A ball moves right.",
}


class Endpoint:
    """Answers requests in the order of their arrival.

    Args:
        behave: what to do with request number n, counted from 0, given its body: a text that is
            the answer, a status with an error message, "cut" to close the connection in the
            middle of an answer, "garbage" for a body that is no JSON, or a number of seconds to
            wait before a good answer.
    """

    def __init__(self, behave: Callable[[int, dict[str, Any]], Any]) -> None:
        self.behave = behave
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()


@contextmanager
def served(behave: Callable[[int, dict[str, Any]], Any]) -> Iterator[tuple[str, Endpoint]]:
    """Address of a running endpoint, and what it saw."""
    state = Endpoint(behave)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                number = len(state.bodies)
                state.bodies.append(body)
                state.keys.append(self.headers.get("Authorization"))
                state.under_way += 1
                state.most_under_way = max(state.most_under_way, state.under_way)
            try:
                self.respond(state.behave(number, body))
            finally:
                with state.lock:
                    state.under_way -= 1

        def respond(self, how: Any) -> None:
            if self.path != "/v1/chat/completions":
                how = (404, "there is nothing here")
            if how == "garbage":
                self.send(200, b"<html>this is no JSON")
            elif how == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b'{"choices": [')
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
            elif isinstance(how, tuple):
                status, message = how
                self.send(status, json.dumps({"error": {"message": message}}).encode())
            else:
                if isinstance(how, float):
                    time.sleep(how)
                    how = json.dumps(ANSWER)
                reason = "stop"
                if how == "length":
                    how, reason = '{"subject": "a ba', "length"
                message = {"role": "assistant", "content": how}
                told = {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "any",
                    "choices": [{"index": 0, "finish_reason": reason, "message": message}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }
                self.send(200, json.dumps(told).encode())

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status in (429, 500):
                self.send_header("Retry-After-Ms", "20")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", state
    finally:
        server.shutdown()
        server.server_close()
