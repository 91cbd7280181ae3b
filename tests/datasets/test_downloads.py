"""Downloads against a local server."""

import hashlib
import http.server
import os
import threading

import numpy as np
import pytest

from seglab.datasets import downloads
from seglab.datasets.downloads import ASSETS, Asset, fetch
from seglab.errors import SeglabError

CONTENT = np.random.default_rng(0).bytes(5 << 20)


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `cut_after` bytes of a connection it hangs up, once for each number in the list."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts, self.ranges, self.honors_range, self.content = [], [], True, CONTENT


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        if self.path == "/missing":
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and server.honors_range else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop()] if server.cuts else body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SEGLAB_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    address = f"http://127.0.0.1:{server.server_port}"
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(ASSETS, "thing.pt", Asset(f"{address}/thing.pt", len(CONTENT), digest))
    monkeypatch.setitem(ASSETS, "loose.zip", Asset(f"{address}/loose.zip", 0, ""))
    monkeypatch.setitem(ASSETS, "missing.pt", Asset(f"{address}/missing", 10, digest))
    yield server
    server.shutdown()
    server.server_close()


def test_official_table_is_complete():
    pinned = {name: asset for name, asset in ASSETS.items() if asset.sha256}
    assert {f"yolo11{scale}-seg.pt" for scale in "nsmlx"} | {"coco8-seg.zip", "train2017.zip"} <= set(pinned)
    for name, asset in ASSETS.items():
        assert asset.address.endswith("/" + name)
    for asset in pinned.values():
        assert len(asset.sha256) == 64 and asset.bytes > 0
    assert all(asset.address.startswith("https://") for asset in ASSETS.values() if not asset.sha256)


def test_fetch_downloads_once(server, tmp_path):
    path = fetch("thing.pt")
    assert path == tmp_path / "cache/thing.pt" and path.read_bytes() == CONTENT
    assert fetch("thing.pt") == path and len(server.ranges) == 1
    assert os.listdir(tmp_path / "cache") == ["thing.pt"]


def test_a_cut_download_resumes_where_it_stopped(server):
    server.cuts = [3_000_000, 1_000_000]  # popped from the end
    assert fetch("thing.pt").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=4000000-"]


def test_an_earlier_part_is_continued(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/thing.pt.part").write_bytes(CONTENT[:123_456])
    assert fetch("thing.pt").read_bytes() == CONTENT
    assert server.ranges == ["bytes=123456-"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.honors_range = False
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/thing.pt.part").write_bytes(CONTENT[:123_456])
    assert fetch("thing.pt").read_bytes() == CONTENT


def test_what_cannot_be_verified_is_fetched_and_said(server, capsys):
    """No figures of it are published: its size is taken from the answer, and its content as it is."""
    server.cuts = [2_000_000]
    assert fetch("loose.zip").read_bytes() == CONTENT
    assert "loose.zip cannot be verified" in capsys.readouterr().out
    fetch("thing.pt")
    assert "verified" not in capsys.readouterr().out
    assert [name for name in ASSETS if not ASSETS[name].sha256] == ["coco128-seg.zip", "loose.zip"]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", b"<html>404</html>"])
def test_altered_content_is_refused_and_removed(server, tmp_path, content, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    server.content = content
    with pytest.raises(SeglabError, match=r"thing\.pt"):
        fetch("thing.pt")
    assert not (tmp_path / "cache/thing.pt").exists()


def test_a_wrong_file_in_the_cache_is_named_not_used(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/thing.pt").write_bytes(b"short")
    with pytest.raises(SeglabError, match=r"5 bytes.*delete"):
        fetch("thing.pt")


@pytest.mark.parametrize("how", ["offline", "unreachable", "404"])
def test_one_error_says_everything(server, tmp_path, how, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    name = "missing.pt" if how == "404" else "thing.pt"
    if how == "offline":
        monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    if how == "unreachable":
        monkeypatch.setitem(ASSETS, name, Asset("http://127.0.0.1:9/thing.pt", 1, "0" * 64))
    with pytest.raises(SeglabError) as caught:
        fetch(name)
    message = str(caught.value)
    for part in (name, ASSETS[name].address, str(tmp_path / "cache" / name), "toybox-n"):
        assert part in message
    assert how != "offline" or server.ranges == []


def test_unknown_name():
    with pytest.raises(SeglabError, match="yolo11n-seg"):
        fetch("yolo12-seg.pt")
