"""As much of W&B's server as its client needs to upload a run; what it keeps is what the client sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0" * 40


class Server(ThreadingHTTPServer):
    """History lines by offset, as the client's file stream addresses them; a rewind cuts them off."""

    daemon_threads = False

    def __init__(self, rewinds: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.rewinds = rewinds
        self.asked: list[str] = []
        """Names of the GraphQL operations."""
        self.runs: set[str] = set()
        self.lines: dict[int, dict[str, Any]] = {}

    @property
    def history(self) -> list[tuple[int, float]]:
        """Step and training loss of each line."""
        return [(line["_step"], line["train/loss"]) for _, line in sorted(self.lines.items())]

    def graphql(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        project = {"id": "p", "name": "moods", "entity": {"id": "e", "name": "me"}}
        if operation == "UpsertBucket":
            name = variables["name"] or "moods-1"
            self.runs.add(name)
            return {"upsertBucket": {"bucket": {"id": "run", "name": name, "displayName": name, "project": project}}}
        if operation == "RewindRun" and self.rewinds:
            kept = [line for _, line in sorted(self.lines.items()) if line["_step"] <= variables["metricValue"]]
            self.lines = dict(enumerate(kept))
            name = variables["runName"]
            run = {"id": "run", "name": name, "historyLineCount": len(kept), "config": "{}", "project": project}
            return {"rewindRun": {"rewoundRun": run if name in self.runs else None}}
        if operation == "RunResumeStatus" and self.runs:
            return {
                "model": {"id": "p", "name": "moods", "entity": {"id": "e", "name": "me"}, "bucket": self._bucket()}
            }
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/put/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}
        return {}

    def _bucket(self) -> dict[str, Any]:
        last = max((line["_step"] for line in self.lines.values()), default=0)
        return {
            "id": "run",
            "name": "moods-1",
            "historyLineCount": len(self.lines),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps({"_step": last, "_runtime": 1})]),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps({"_step": last}),
            "config": "{}",
            "tags": [],
            "wandbConfig": json.dumps({"t": 1}),
        }


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer: dict[str, Any] = {}
        if self.path == "/graphql":
            question = json.loads(body)
            answer = {"data": self.server.graphql(question["operationName"], question["variables"])}
            if question["operationName"] == "RewindRun" and not self.server.rewinds:
                answer = {"errors": [{"message": "this server keeps what it has"}]}
        elif self.path.endswith("/file_stream"):
            history = json.loads(body).get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
            self.server.lines |= {history["offset"] + i: json.loads(line) for i, line in enumerate(history["content"])}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Runs a server on a thread; gives its address."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
