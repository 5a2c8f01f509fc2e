"""Downloads over loopback HTTP: resumed, verified, and told in words when they fail."""

from __future__ import annotations

import hashlib
import http.server
import random
import threading
from contextlib import suppress

import pytest
from prepare.download import fetch

from cclgan_lite.files import sha256_of

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as any file; `cut`: bytes after which the line breaks, for each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut, self.ranges, self.asked = CONTENT, [], True, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if "missing" in self.path:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start and server.ranges:
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            total = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            start = 0
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.md5(server.content).hexdigest()}"')
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who got a wrong answer hangs up
            self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("gdown")
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # no waiting between retries
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_downloaded_once(server, tmp_path):
    url = f"{server.url}/some/rain%2012.zip#sha256={SHA256}"
    path = fetch(url, tmp_path / "in", progress=False)
    assert path == tmp_path / "in" / "rain 12.zip" and path.read_bytes() == CONTENT
    assert sha256_of(path) == SHA256 and names(tmp_path / "in") == ["rain 12.zip"]
    asked = len(server.asked)
    assert fetch(url, tmp_path / "in", progress=False) == path
    assert len(server.asked) == asked


def test_a_broken_line_is_taken_up_where_it_broke(server, tmp_path):
    server.cut = [1_000_000, 10**9, 700_000]
    fetch(f"{server.url}/x.zip#sha256={SHA256}", tmp_path, progress=False)
    offsets = [int(r[6:-1]) for r in server.asked if r]
    assert offsets and all(0 < offset < len(CONTENT) for offset in offsets)
    assert names(tmp_path) == ["x.zip"]


def test_an_interrupted_command_goes_on_next_time(server, tmp_path):
    server.cut = [1_000_000]
    with pytest.raises(OSError, match="Run the command again"):
        fetch(f"{server.url}/x.zip", tmp_path, retries=0, progress=False)
    (part,) = names(tmp_path)
    kept = (tmp_path / part).stat().st_size
    assert part.endswith(".part") and 0 < kept <= 1_000_000
    server.asked.clear()
    path = fetch(f"{server.url}/x.zip#sha256={SHA256}", tmp_path, progress=False)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["x.zip"]
    assert f"bytes={kept}-" in server.asked  # the received bytes were not asked for again


def test_a_truncated_file_never_gets_its_name(server, tmp_path):
    server.cut = [500_000] * 20
    with pytest.raises(OSError):
        fetch(f"{server.url}/x.zip", tmp_path, retries=1, progress=False)
    assert "x.zip" not in names(tmp_path)


def test_a_server_without_ranges_does_not_spoil_the_file(server, tmp_path):
    server.cut = [1_000_000]
    with pytest.raises(OSError):
        fetch(f"{server.url}/x.zip", tmp_path, retries=0, progress=False)
    server.ranges = False
    with pytest.raises(OSError, match=r"delete .*\.part"):
        fetch(f"{server.url}/x.zip", tmp_path, retries=0, progress=False)
    (tmp_path / names(tmp_path)[0]).unlink()
    assert fetch(f"{server.url}/x.zip", tmp_path, progress=False).read_bytes() == CONTENT


def test_a_wrong_checksum_is_put_aside(server, tmp_path):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ValueError, match=f"not {SHA256}.*put aside"):
        fetch(f"{server.url}/x.zip#sha256={SHA256}", tmp_path, progress=False)
    assert names(tmp_path) == ["x.zip.wrong"]
    server.content = CONTENT
    assert fetch(f"{server.url}/x.zip#sha256={SHA256}", tmp_path, progress=False).exists()


def test_a_missing_file_is_no_file(server, tmp_path):
    with pytest.raises(OSError, match="missing.zip.*404"):
        fetch(f"{server.url}/missing.zip", tmp_path, retries=0, progress=False)
    assert "missing.zip" not in names(tmp_path)


def test_nobody_listens(tmp_path):
    pytest.importorskip("gdown")
    with pytest.raises(OSError, match="download the file in a browser"):
        fetch("http://127.0.0.1:9/x.zip", tmp_path, retries=0, progress=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://h/",
        "http://h/uc?id=1",
        "http://h/x.zip#name=../x.zip",
        "http://h/%2e%2e%2fx.zip",
        "http://h/.part",
    ],
)
def test_names_that_are_no_file_names_are_refused(url, tmp_path):
    with pytest.raises(ValueError, match="no file name"):
        fetch(url, tmp_path)


def test_the_fragment_names_the_file(server, tmp_path):
    path = fetch(f"{server.url}/uc?id=1#name=rain.zip&sha256={SHA256}", tmp_path, progress=False)
    assert path.name == "rain.zip"
