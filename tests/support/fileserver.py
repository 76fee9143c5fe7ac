"""An HTTP server on loopback whose files a test may change, with or without ranges; and a double of a dataset hub."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]


class FileServer:
    """Serves bytes by path.

    Attributes:
        files: Path to content.
        has_ranges: Whether ranges are answered.
        has_tags: Whether an ETag is sent.
        fail: Answers in place of the next requests: status codes, or "cut" for a body that breaks off.
        asked: Method, path and range of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.has_ranges = self.has_tags = True
        self.fail: list[int | str] = []
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = (self.command, self.path, self.headers.get("Range", ""))
                server.asked.append(asked)
                server.last_headers = dict(self.headers)
                cut = server.fail and server.fail[0] == "cut"
                status, headers, body = server.answer(self.path, self.headers.get("Range"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body[: len(body) // 2] if cut else body)
                if cut:
                    server.fail.pop(0)
                    self.close_connection = True

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self.last_headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, span: str | None) -> Answer:
        """Status, headers and body for a path and a Range header."""
        if self.fail and self.fail[0] != "cut":
            return int(self.fail.pop(0)), {}, b"no"
        data = self.files.get(unquote(urlsplit(path).path))
        if data is None:
            return 404, {}, b"none"
        return self.content(data, span)

    def content(self, data: bytes, span: str | None) -> Answer:
        """A file, or a range of it."""
        headers = {**self.headers}
        if self.has_tags:
            headers["ETag"] = f'"{hashlib.md5(data).hexdigest()}"'
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", span or "")
        if not (self.has_ranges and found):
            return 200, headers, data
        start, end = int(found[1]), min(int(found[2]), len(data) - 1)
        if start >= len(data):
            return 416, {**headers, "Content-Range": f"bytes */{len(data)}"}, b""
        return 206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}, data[start : end + 1]

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from the next connection on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HubDouble(FileServer):
    """The parts of the hub's HTTP API that list and read a dataset.

    Attributes:
        commits: The commit of each repository and revision ("owner/name", "main").
        trees: Files by commit.
        token: The token that each request needs; none if it is empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commits: dict[tuple[str, str], str] = {}
        self.trees: dict[str, dict[str, bytes]] = {}
        self.token = ""
        self.page_size = 2

    def push(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Let a revision name a new commit of these files."""
        commit = hashlib.sha1(repr((len(self.trees), sorted(files))).encode()).hexdigest()
        self.trees[commit] = files
        self.commits[repo, revision] = self.commits[repo, commit] = commit
        return commit

    def answer(self, path: str, span: str | None) -> Answer:
        """Status, headers and body of a request to the hub."""
        if not re.match(r"(/api)?/datasets/", path):
            return 404, {}, b"{}"  # what the client asks once a process takes no failure that is meant for a test
        if self.fail and self.fail[0] != "cut":
            return int(self.fail.pop(0)), {}, b"no"
        if self.token and self.last_headers.get("authorization") != f"Bearer {self.token}":
            return _refused(401, "RepoNotFound")
        parts = urlsplit(path)
        routes: list[tuple[str, Callable[..., Answer]]] = [
            (r"/api/datasets/([^/]+/[^/]+)/revision/([^/]+)", self._info),
            (r"/api/datasets/([^/]+/[^/]+)()", self._info),
            (r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)/?(.*)", self._tree),
            (r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._file),
        ]
        for pattern, route in routes:
            if found := re.fullmatch(pattern, parts.path):
                repo, revision, *rest = map(unquote, found.groups())
                if not any(known == repo for known, _ in self.commits):
                    return _refused(404, "RepoNotFound")
                commit = self.commits.get((repo, revision or "main"))
                if commit is None:
                    return _refused(404, "RevisionNotFound")
                return route(repo, commit, *rest, query=parse_qs(parts.query), span=span)
        return 404, {}, b"{}"

    def _info(self, repo: str, commit: str, query: Any, span: Any) -> Answer:
        del query, span
        return 200, {}, json.dumps({"id": repo, "sha": commit, "siblings": [], "tags": []}).encode()

    def _tree(self, repo: str, commit: str, folder: str, query: dict[str, list[str]], span: Any) -> Answer:
        del span
        folder = folder and folder.rstrip("/") + "/"
        is_deep = query.get("recursive", [""])[0].lower() in ("true", "1")
        items: dict[str, dict[str, Any]] = {}
        for name, data in self.trees[commit].items():
            if not name.startswith(folder):
                continue
            parents = name[len(folder) :].split("/")[:-1]
            for depth in range(1, len(parents) + 1 if is_deep else min(len(parents), 1) + 1):
                path = folder + "/".join(parents[:depth])
                items[path] = {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
            if is_deep or not parents:
                item = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                if name.endswith(".parquet"):
                    item["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
                items[name] = item
        if not items:
            return _refused(404, "EntryNotFound")
        at = int(query.get("cursor", ["0"])[0])
        listed = list(items.values())
        headers = {}
        if at + self.page_size < len(listed):
            url = f"{self.url}/api/datasets/{repo}/tree/{commit}/{folder}"
            headers["Link"] = f'<{url}?recursive={is_deep}&cursor={at + self.page_size}>; rel="next"'
        return 200, headers, json.dumps(listed[at : at + self.page_size]).encode()

    def _file(self, repo: str, commit: str, name: str, query: Any, span: str | None) -> Answer:
        del repo, query
        data = self.trees[commit].get(name)
        return _refused(404, "EntryNotFound") if data is None else self.content(data, span)


def _refused(status: int, code: str) -> Answer:
    return status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"
