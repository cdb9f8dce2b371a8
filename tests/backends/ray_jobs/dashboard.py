"""A dashboard that takes jobs over HTTP on this machine, hangs up when it should, and is of any version."""

import json
import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import ray


class Dashboard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    version = ray.__version__
    python = platform.python_version()
    token: str | None = None
    """Who does not have it is refused."""
    jobs: dict[str, dict[str, Any]]
    hang_ups: int
    """Submissions that are taken without an answer; negative ones are not taken either."""
    sent: list[str]

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/jobs/")
        if self.token is not None and self.headers["Authorization"] != f"Bearer {self.token}":
            self._answer(401, "no token")
        elif self.path == "/api/version":
            self._answer(200, {"ray_version": self.version, "version": "4", "ray_commit": ""})
        elif self.path == "/api/v0/cluster_metadata":
            self._answer(200, {"data": {"pythonVersion": self.python}})
        elif not name:
            self._answer(200, list(self.jobs.values()))
        elif name in self.jobs:
            self._answer(200, self.jobs[name])
        else:
            self._answer(404, f"Job {name} does not exist")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        cls, name = type(self), asked["submission_id"]
        cls.sent.append(name)
        if cls.hang_ups >= 0:
            keys = ("submission_id", "metadata", "entrypoint")
            cls.jobs[name] = {key: asked[key] for key in keys} | {"type": "SUBMISSION", "status": "PENDING"}
        if cls.hang_ups:
            cls.hang_ups -= 1 if cls.hang_ups > 0 else -1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(200, {"job_id": name, "submission_id": name})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _answer(self, code: int, told: Any) -> None:
        data = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def dashboard_server() -> Iterator[tuple[type[Dashboard], str]]:
    """One without jobs: its own kind of `Dashboard`, to change, and its address."""
    kind = type("Own", (Dashboard,), {"jobs": {}, "hang_ups": 0, "sent": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kind, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
