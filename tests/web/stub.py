"""A server that keeps what a tracker sends, and refuses, fails or goes away when it is told to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[2] / "src" / "proffer" / "web"


class Stub:
    """Serves the tracker and pages by path; `batches` are the bodies received, `status` what is answered next."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.batches: list[dict[str, Any]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was received, as often as it was."""
        return [event for body in list(self.batches) for event in body["batch"]]

    @property
    def once(self) -> dict[str, dict[str, Any]]:
        """What was received, by id: what a server counts."""
        return {event["messageId"]: event for event in self.events}

    def told(self, type: str) -> list[tuple[str, Any]]:
        """Return items and values of the events of a type, each id once."""
        found = [event["properties"] for event in self.once.values() if event["event"] == type]
        return [(each["target"], each.get("value")) for each in found]

    def start(self) -> None:
        stub = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.partition("?")[0].lstrip("/")
                text = stub.pages.get(name)
                if text is None and name in ("tracker.js", "tracker.mjs"):
                    text = (WEB / name).read_text()
                form = "text/html" if name in stub.pages else "text/javascript"
                self.answer(200 if text is not None else 404, (text or "").encode(), {"Content-Type": form})

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                if stub.status == 200:
                    stub.batches.append(json.loads(raw) | {"form": self.headers["Content-Type"]})
                self.answer(stub.status, b'{"success":true}', stub.headers)

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: Any) -> None:
                """Browsers let go of connections as they like."""

        self._server = Server(("127.0.0.1", self.port), Answers)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
