"""A hub on loopback: as much of the Hugging Face hub's interface as pushing small files needs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """What was created and committed: repository -> path -> contents."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, dict[str, bytes]] = {}
        self.refuse = False


@contextmanager
def serving() -> Iterator[tuple[str, Hub]]:
    """Its address, and what it was given."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if hub.refuse:
                self.answer({"error": "who are you?"}, 401)
            elif self.path == "/api/repos/create":
                asked = json.loads(body)
                hub.created.append(asked)
                kind = "datasets/" if asked["type"] == "dataset" else ""
                name = f"{asked['organization']}/{asked['name']}"
                self.answer({"url": f"{address}/{kind}{name}", "name": name})
            elif "/preupload/" in self.path:
                files = json.loads(body)["files"]
                modes = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in files
                ]
                self.answer({"files": modes})
            elif "/commit/" in self.path:
                repository = "/".join(self.path.split("/")[2:5])
                into = hub.files.setdefault(repository, {})
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        contents = base64.b64decode(line["value"]["content"])
                        into[line["value"]["path"]] = contents
                oid = "0" * 40
                place = repository.removeprefix("models/")
                url = f"{address}/{place}/commit/{oid}"
                self.answer({"commitUrl": url, "commitOid": oid})
            else:  # checks a card's front matter
                self.answer({"errors": [], "warnings": []})

        def do_GET(self) -> None:
            self.answer({"error": "nothing here"}, 404)

        def answer(self, data: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address, hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
