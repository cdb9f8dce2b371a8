"""The few paths of a Kubernetes API server that the launcher uses, over HTTP on this machine."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

OBJECT = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>[^/]+))?"
)
CREATED = "2026-11-21T10:00:00Z"
Answer = tuple[int, Any]


@dataclass
class ApiServer:
    """A namespace's objects by kind and name, and what happened."""

    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    refused: dict[tuple[str, str], Answer] = field(default_factory=dict)
    """What is answered to a verb on a kind of object, in place of doing it."""
    lost: set[str] = field(default_factory=set)
    """Verbs whose next answer never arrives, though it was done."""
    logs: dict[str, list[list[str]]] = field(default_factory=dict)
    """Of each pod, what each connection gets; every one but the last breaks in the middle of a line."""
    on_watch: list[Callable[[], Any]] = field(default_factory=list)
    """What the next watches do: a number is an error of this code, None breaks the stream, a dict is an event."""
    before_lists: list[Callable[[], Any]] = field(default_factory=list)
    """What happens before the next lists of jobs."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Verb, path and query of every request."""
    kinds: set[str] = field(default_factory=lambda: {"rayjobs", "rayclusters", "pods", "secrets", "events"})

    def put(self, plural: str, one: dict[str, Any]) -> dict[str, Any]:
        one.setdefault("metadata", {}).setdefault("creationTimestamp", CREATED)
        self.objects.setdefault(plural, {})[one["metadata"]["name"]] = one
        return one

    def all(self, plural: str) -> list[dict[str, Any]]:
        return list(self.objects.get(plural, {}).values())


@contextmanager
def api_server(folder: Path) -> Iterator[tuple[ApiServer, Path]]:
    """A server without objects, and a kubeconfig for it."""
    state = ApiServer()

    class Handler(_Handler):
        server_state = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
    try:
        yield state, config
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
    }


def failure(code: int, message: str, name: str = "") -> Answer:
    details = {"name": name} if name else {}
    return code, {"kind": "Status", "status": "Failure", "code": code, "message": message, "details": details}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ApiServer

    def do_GET(self) -> None:
        self._handle("get")

    def do_POST(self) -> None:
        self._handle("create")

    def do_DELETE(self) -> None:
        self._handle("delete")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: pytest has the requests."""

    def _handle(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        match = OBJECT.fullmatch(split.path)
        assert match is not None, split.path
        found = match.groupdict()
        if verb == "get" and not found["name"]:
            verb = "watch" if query.get("watch") else "list"
        state, plural = self.server_state, found["plural"]
        state.asked.append((verb, split.path, query))
        if (verb, plural) in state.refused:
            self._send(state.refused[verb, plural])
        elif plural not in state.kinds:
            self._send(failure(404, "the server could not find the requested resource"))
        elif found["part"] == "log":
            self._log(found["name"])
        elif verb == "watch":
            self._watch()
        else:
            self._object(verb, plural, found["name"], query, body)

    def _object(self, verb: str, plural: str, name: str | None, query: dict[str, str], body: bytes) -> None:
        answer = self._done(verb, plural, name, query, body)
        if verb in self.server_state.lost and "dryRun" not in query:
            self.server_state.lost.discard(verb)
            self._hang_up()
        else:
            self._send(answer)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _done(self, verb: str, plural: str, name: str | None, query: dict[str, str], body: bytes) -> Answer:
        kept = self.server_state.objects.setdefault(plural, {})
        if verb == "list":
            if plural == "rayjobs" and self.server_state.before_lists:
                self.server_state.before_lists.pop(0)()
            return 200, {"items": [one for one in kept.values() if _selected(one, query)], "metadata": {}}
        if verb == "create":
            one = json.loads(body)
            if one["metadata"]["name"] in kept:
                return failure(409, f'{plural} "{one["metadata"]["name"]}" already exists', one["metadata"]["name"])
            if "dryRun" not in query:
                self.server_state.put(plural, one)
            return 201, one
        assert name is not None
        if name not in kept:
            return failure(404, f'{plural} "{name}" not found', name)
        return 200, kept.pop(name) if verb == "delete" else kept[name]

    def _watch(self) -> None:
        happening = self.server_state.on_watch.pop(0)() if self.server_state.on_watch else None
        if isinstance(happening, int):
            self._send(failure(happening, "too old resource version"))
            return
        self._begin(200)
        if happening is None:
            self.wfile.write(b"ff\r\n{")  # announces 255 bytes, and goes
            self._hang_up()
            return
        self._chunk(json.dumps({"type": "MODIFIED", "object": happening}) + "\n")
        self._chunk("")

    def _log(self, pod: str) -> None:
        parts = self.server_state.logs.get(pod)
        if not parts:
            self._send(failure(404, f'pods "{pod}" not found', pod))
            return
        part, breaks = (parts.pop(0), True) if len(parts) > 1 else (parts[0], False)
        self._begin(200)
        for line in part:
            self._chunk(f"{line}\n")
        if breaks:
            self.wfile.write(b"ff\r\n2026-11-21T10:00:09.9Z half of a li")
            self._hang_up()
        else:
            self._chunk("")

    def _begin(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, answer: Answer) -> None:
        code, told = answer
        data = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _selected(one: dict[str, Any], query: dict[str, str]) -> bool:
    labels = one["metadata"].get("labels") or {}
    wanted = [term.split("=", 1) for term in query.get("labelSelector", "").split(",") if term]
    fields = [term.split("=", 1) for term in query.get("fieldSelector", "").split(",") if term]
    involved = one.get("involvedObject") or {}
    return all(labels.get(key) == value for key, value in wanted) and all(
        involved.get(key.rpartition(".")[2]) == value for key, value in fields
    )
