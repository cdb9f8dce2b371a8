"""A dashboard that takes a job and hangs up before it says so, and one of another version."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import ray

from launcher.backends.ray_jobs.ray_jobs import RayBackend
from launcher.errors import InvalidInput, LauncherError, RunOwned
from tests.backends.ray_jobs.test_job_package import submission


class Dashboard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    version = ray.__version__
    jobs: dict[str, dict[str, Any]]
    hang_ups: int
    """Submissions that are taken without an answer; negative ones are not taken either."""
    sent: list[str]

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/jobs/")
        if self.path == "/api/version":
            self._answer(200, {"ray_version": self.version, "version": "4", "ray_commit": ""})
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


@pytest.fixture
def dashboard() -> Iterator[tuple[type[Dashboard], str]]:
    kind = type("Own", (Dashboard,), {"jobs": {}, "hang_ups": 0, "sent": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield kind, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_job_that_was_taken_without_an_answer_is_found_and_not_sent_again(dashboard):
    kind, address = dashboard
    kind.hang_ups = 1
    wanted = submission(address=address)
    assert RayBackend(wanted.profile).submit(wanted) == "moods-1-a1"
    assert kind.sent == ["moods-1-a1"]


def test_a_job_that_was_lost_is_sent_again(dashboard):
    kind, address = dashboard
    kind.hang_ups = -1
    wanted = submission(address=address)
    assert RayBackend(wanted.profile).submit(wanted) == "moods-1-a1"
    assert kind.sent == ["moods-1-a1"] * 2


def test_a_dashboard_that_always_hangs_up_is_told_in_the_end(dashboard):
    kind, address = dashboard
    kind.hang_ups = -9
    wanted = submission(address=address)
    with pytest.raises(LauncherError, match="does not answer"):
        RayBackend(wanted.profile).submit(wanted)
    assert len(kind.sent) == 3


def test_a_run_that_has_a_living_job_is_not_sent(dashboard):
    kind, address = dashboard
    wanted = submission(address=address)
    RayBackend(wanted.profile).submit(wanted)
    with pytest.raises(RunOwned, match="already as moods-1-a1"):
        RayBackend(wanted.profile).submit(wanted)
    assert len(kind.sent) == 1


def test_another_version_of_ray_is_told_before_anything_is_sent(dashboard):
    kind, address = dashboard
    kind.version = "2.49.0"
    wanted = submission(address=address)
    with pytest.raises(InvalidInput, match=r"runs Ray 2\.49\.0, and the launcher is tested with"):
        RayBackend(wanted.profile).submit(wanted)
    assert kind.sent == []


def test_the_profiles_address_holds_where_the_environment_names_another_cluster(dashboard, monkeypatch):
    _, address = dashboard
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    assert RayBackend(submission(address=address).profile).status("moods-1").state == "absent"


def test_without_an_address_the_environments_is_taken(dashboard, monkeypatch):
    _, address = dashboard
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    with pytest.raises(InvalidInput, match=r"cluster\.address: missing"):
        RayBackend(submission(address=None).profile).status("moods-1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
    assert RayBackend(submission(address=None).profile).status("moods-1").state == "absent"
