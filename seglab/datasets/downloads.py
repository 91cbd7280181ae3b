"""The few files seglab downloads by name: fetched once, resumed when cut, and verified.

Apart from what the user names as an address (images, videos and streams to predict on), nothing else in the library
opens a connection. SEGLAB_CACHE moves the cache; SEGLAB_OFFLINE=1 forbids these downloads.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from seglab.errors import SeglabError
from seglab.files import cache_dir, replace, sha256_of, sole_process

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 20
ATTEMPTS = 5  # a long download survives so many cuts in a row without any progress in between


@dataclass(frozen=True)
class Asset:
    """One downloadable file. bytes 0 and sha256 "" mean that neither is published: then only https vouches for it."""

    address: str
    bytes: int
    sha256: str


_RELEASES = "https://github.com/ultralytics/assets/releases/download"
_COCO = "http://images.cocodataset.org"  # without https, so what comes from there is trusted for its SHA-256 alone
ASSETS = {
    asset.address.rsplit("/", 1)[-1]: asset
    for asset in (
        Asset(
            f"{_RELEASES}/v8.4.0/yolo11n-seg.pt",
            6_182_636,
            "55ed65c56c91713d23e8402371c6c49a6fd84f257f7dce452e8d70e41dcbe152",
        ),
        Asset(
            f"{_RELEASES}/v8.4.0/yolo11s-seg.pt",
            20_669_228,
            "1caa81c0195412efa411b632bcfb8c184939dddb6ae41f6a80c41b211ff257c3",
        ),
        Asset(
            f"{_RELEASES}/v8.4.0/yolo11m-seg.pt",
            45_400_152,
            "eb9a06f63e2206c35d68d839b08c362429ebecf933ad54c1ad68b2fd001c17cf",
        ),
        Asset(
            f"{_RELEASES}/v8.4.0/yolo11l-seg.pt",
            56_096_965,
            "cabe90049795dfc9a370b7934d6dec7f6b9e44a20e573b0ff81b7e205512c872",
        ),
        Asset(
            f"{_RELEASES}/v8.4.0/yolo11x-seg.pt",
            125_090_821,
            "4e53a5f5fd3ee2ae3361c62169c6bb3ed4ae251dd0e57606e230955aa52d919c",
        ),
        Asset(
            f"{_RELEASES}/v0.0.0/coco8-seg.zip",
            449_818,
            "82c651abd01d556c77769ea834ebff1e77f76a291463e987fb69b63a87e8eb80",
        ),
        Asset(
            f"{_RELEASES}/v0.0.0/coco128-seg.zip",
            0,
            "",
        ),
        Asset(
            f"{_COCO}/zips/train2017.zip",
            19_336_861_798,
            "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        ),
        Asset(
            f"{_COCO}/zips/val2017.zip",
            815_585_330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        ),
        Asset(
            f"{_COCO}/annotations/annotations_trainval2017.zip",
            252_907_541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        ),
    )
}


def is_offline() -> bool:
    """Whether SEGLAB_OFFLINE forbids the network: any value but "" and "0"."""
    return os.environ.get("SEGLAB_OFFLINE", "") not in ("", "0")


def fetch(name: str) -> Path:
    """The local copy of a named asset, downloaded on first use (progress bar, resumed after a cut) and verified.

    A file put into the cache by hand is as good as a downloaded one. An asset whose size and SHA-256 are not published
    cannot be verified, which is said when it is downloaded. Errors: SeglabError for an unknown name, for a file that is
    not the official one, and when the file is missing and the network is off or out of reach.
    """
    if name not in ASSETS:
        raise SeglabError(f"'{name}' is not a file that seglab can download: use one of {', '.join(ASSETS)}")
    asset = ASSETS[name]
    path = cache_dir() / name
    if not path.exists() and not is_offline():
        with sole_process(path.with_name(f"{path.name}.lock")):  # another process may be at it: then its file is taken
            if not path.exists():
                _fetch_into(path, name, asset)
                return path
    if not path.exists():
        raise _unreachable(name, path, "SEGLAB_OFFLINE is set")
    _verify(path, name, f"delete {path} and try again")
    return path


def _fetch_into(path: Path, name: str, asset: Asset) -> None:
    """Download an asset to `path`, going on where a process that is dead now stopped. Errors: those of `fetch`."""
    if not asset.sha256:
        print(f"{name} cannot be verified: its size and SHA-256 are not published, so {asset.address} is trusted")
    part = path.with_name(f"{path.name}.part")
    try:
        _download(asset, part)
    except (OSError, HTTPException) as error:
        raise _unreachable(name, path, getattr(error, "reason", None) or error) from error
    try:
        _verify(part, name, "try again, or check for a proxy that changes downloads")
    except SeglabError:
        part.unlink()
        raise
    replace(part, path)


def _unreachable(name: str, path: Path, reason: object) -> SeglabError:
    if name.endswith(".pt"):
        without_network = (
            f"use a file of your own, model=toybox-n, or model={Path(name).stem}.yaml to train from scratch, "
            "which need no network"
        )
    else:
        without_network = "use the dataset toybox8-seg, which needs no network"
    return SeglabError(
        f"{name} could not be downloaded from {ASSETS[name].address} ({reason}): put the file at {path} by hand, "
        f"or {without_network}"
    )


def _download(asset: Asset, part: Path) -> None:
    """Append to `part` until the file is complete; after a cut, resume where it stopped.

    Errors: what the last attempt failed with, after ATTEMPTS of them without progress, or at once when the server
    refuses the request.
    """
    reason: OSError | HTTPException
    idle = 0  # attempts in a row that brought nothing
    while True:
        before = _size_of(part)
        try:
            if _receive(asset, part):
                return
            reason = OSError("the connection closed early")
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
            reason = error
        except (OSError, HTTPException) as error:
            reason = error
        idle = 0 if _size_of(part) > before else idle + 1
        if idle >= ATTEMPTS:
            raise reason


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(asset: Asset, part: Path) -> bool:
    """What one connection brings of `asset`, appended to `part` -> whether the file is now complete."""
    from tqdm.auto import tqdm

    have = _size_of(part)
    if asset.bytes and have >= asset.bytes:
        return True
    request = urllib.request.Request(asset.address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing left to send: the size was unknown, or another file took the address
            return True
        raise
    with response:
        if response.status != 206:
            have = 0  # the server sends the file from its start
        length = response.headers.get("Content-Length")
        total = asset.bytes or (have + int(length) if length else None)
        with (
            open(part, "ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=asset.address.rsplit("/", 1)[-1]) as bar,
        ):
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
                if total is not None and have > total:
                    return True  # longer than the official file: the verification says so
    return total is None or have >= total


def _verify(path: Path, name: str, advice: str) -> None:
    asset = ASSETS[name]
    size = path.stat().st_size
    if asset.bytes and size != asset.bytes:
        raise SeglabError(f"{path} has {size} bytes, but the official {name} has {asset.bytes}: {advice}")
    if not asset.sha256:
        return
    digest = sha256_of(path)
    if digest != asset.sha256:
        raise SeglabError(f"{path} is not the official {name} (its SHA-256 is {digest}): {advice}")
