"""An export on the hub, by the hub's own client against a small server that speaks its protocol."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from launcher.errors import InvalidInput
from launcher.export.hub import Repository, empty_repository, push


class SmallHub(ThreadingHTTPServer):
    """Model repositories by name, each with its files; names under `closed/` take nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: SmallHub

    def do_GET(self) -> None:
        name, _, _ = self.path.removeprefix("/api/models/").partition("/tree/")
        name = name.partition("/revision/")[0].partition("?")[0]
        if name not in self.server.repositories:
            self._say(404, {}, ("X-Error-Code", "RepoNotFound"))
            return
        files = [{"rfilename": path} for path in self.server.repositories[name]]
        tree = [{"type": "file", "path": path, "size": 1, "oid": "0" * 40} for path in self.server.repositories[name]]
        self._say(200, tree if "/tree/" in self.path else {"id": name, "siblings": files, "sha": "0" * 40})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told['organization']}/{told['name']}"
            if name.startswith("closed/"):
                self._say(403, {"error": "you may not"})
                return
            self.server.repositories.setdefault(name, {})
            self.server.private[name] = told.get("private", False) or told.get("visibility") == "private"
            self._say(200, {"url": f"{self.server.url}/{name}", "id": "1"})
        elif "/preupload/" in self.path:
            files = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            self._say(200, {"files": files})
        elif "/commit/" in self.path:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.repositories[name][line["value"]["path"]] = content
            self._say(200, {"commitUrl": f"{self.server.url}/{name}/commit/1", "commitOid": "1" * 40})
        else:
            self._say(200, {})

    def _say(self, code: int, told: Any, *headers: tuple[str, str]) -> None:
        content = json.dumps(told).encode()
        self.send_response(code)
        for header in (("Content-Type", "application/json"), ("Content-Length", str(len(content))), *headers):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    with SmallHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_an_export_becomes_a_private_repository_in_one_commit(hub: SmallHub, made: Path) -> None:
    target = empty_repository("hf://me/mine", hub.url)
    assert target == Repository("me/mine", hub.url)
    assert hub.repositories == {}
    assert push(made, target) == 9
    assert hub.repositories["me/mine"] == {"config.json": b"{}", "model.safetensors": b"weights"}
    assert hub.private["me/mine"]


def test_what_is_there_is_not_written_over(hub: SmallHub) -> None:
    hub.repositories["me/mine"] = {".gitattributes": b""}
    assert empty_repository("hf://me/mine", hub.url).location == "hf://me/mine"
    hub.repositories["me/mine"]["config.json"] = b"{}"
    with pytest.raises(InvalidInput, match=r"^--to: hf://me/mine is not empty; give another name$"):
        empty_repository("hf://me/mine", hub.url)


def test_what_the_hub_refuses_is_told_in_a_line(hub: SmallHub, made: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^--to: hf://mine names no repository; give hf://org/name$"):
        empty_repository("hf://mine", hub.url)
    with pytest.raises(InvalidInput, match=r"^--to: hf://closed/mine: .*HF_TOKEN") as caught:
        push(made, empty_repository("hf://closed/mine", hub.url))
    assert "\n" not in str(caught.value)
