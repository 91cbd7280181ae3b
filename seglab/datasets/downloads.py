"""The few files seglab downloads by name: fetched once, resumed when cut, verified, and unpacked with suspicion.

Nothing else in the library opens a connection. SEGLAB_CACHE moves the cache; SEGLAB_OFFLINE=1 forbids the network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from seglab.errors import SeglabError
from seglab.files import cache_dir, publish, staging_dir
from seglab.progress import with_progress

CHUNK = 1 << 20
TIMEOUT_SECONDS = 20
ATTEMPTS = 5  # a long download survives that many cuts without any progress in between
LARGEST_GROWTH = 100  # an archive that unpacks to more than this many times its size is taken for a bomb


@dataclass(frozen=True)
class Asset:
    """One downloadable file. bytes 0 and sha256 "" mean that no figure is published: then only https vouches for it."""

    address: str
    bytes: int
    sha256: str


_RELEASES = "https://github.com/ultralytics/assets/releases/download"
_COCO = "http://images.cocodataset.org"
# name, bytes, SHA-256, where it lies
_TABLE = """
yolo11n-seg.pt 6182636 55ed65c56c91713d23e8402371c6c49a6fd84f257f7dce452e8d70e41dcbe152 {ultralytics}/v8.4.0/
yolo11s-seg.pt 20669228 1caa81c0195412efa411b632bcfb8c184939dddb6ae41f6a80c41b211ff257c3 {ultralytics}/v8.4.0/
yolo11m-seg.pt 45400152 eb9a06f63e2206c35d68d839b08c362429ebecf933ad54c1ad68b2fd001c17cf {ultralytics}/v8.4.0/
yolo11l-seg.pt 56096965 cabe90049795dfc9a370b7934d6dec7f6b9e44a20e573b0ff81b7e205512c872 {ultralytics}/v8.4.0/
yolo11x-seg.pt 125090821 4e53a5f5fd3ee2ae3361c62169c6bb3ed4ae251dd0e57606e230955aa52d919c {ultralytics}/v8.4.0/
coco8-seg.zip 449818 82c651abd01d556c77769ea834ebff1e77f76a291463e987fb69b63a87e8eb80 {ultralytics}/v0.0.0/
coco128-seg.zip 0 - {ultralytics}/v0.0.0/
train2017.zip 19336861798 69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929 {coco}/zips/
val2017.zip 815585330 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05 {coco}/zips/
annotations_trainval2017.zip 252907541 113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268 {notes}/
""".format(ultralytics=_RELEASES, coco=_COCO, notes=_COCO + "/annotations")
ASSETS = {
    name: Asset(folder + name, int(size), digest.strip("-"))
    for name, size, digest, folder in map(str.split, _TABLE.strip().splitlines())
}


def fetch(name: str) -> Path:
    """The local copy of a named asset, downloaded on first use (progress bar, resumed after a cut) and verified.

    A file put into the cache by hand is as good as a downloaded one. Of an asset without published figures nothing can
    be verified, which is said when it is downloaded. Errors: SeglabError for an unknown name, for a
    file that is not the official one, and when the file is missing and the network is off or out of reach.
    """
    if name not in ASSETS:
        raise SeglabError(f"'{name}' is no file seglab knows how to download; it knows {', '.join(ASSETS)}")
    asset, path = ASSETS[name], cache_dir() / name
    if path.exists():
        _verify(path, name, f"delete {path} and try again")
        return path
    if os.environ.get("SEGLAB_OFFLINE", "") not in ("", "0"):
        raise _unreachable(name, path, "SEGLAB_OFFLINE is set")
    if not asset.sha256:
        print(f"{name} cannot be verified: no size or SHA-256 of it is published, so {asset.address} is taken as it is")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part{os.environ.get('LOCAL_RANK', '')}")  # torchrun: each process its own
    try:
        _download(asset, part)
    except (OSError, HTTPException) as error:
        raise _unreachable(name, path, getattr(error, "reason", None) or error) from error
    try:
        _verify(part, name, "try again, or look for a proxy that alters downloads")
    except SeglabError:
        part.unlink()
        raise
    os.replace(part, path)
    return path


def _unreachable(name: str, path: Path, reason: object) -> SeglabError:
    instead = "use the dataset toybox8-seg, which needs no network"
    if name.endswith(".pt"):
        instead = (
            f"give a file of your own, model=toybox-n, or model={Path(name).stem}.yaml to train from scratch, which "
        )
        instead += "need no network"
    return SeglabError(
        f"{name} could not be downloaded from {ASSETS[name].address} ({reason}): put the file at {path} by hand, "
        f"or {instead}"
    )


def _download(asset: Asset, part: Path) -> None:
    """Append to `part` until the file is whole; after a cut, go on from where it stopped."""
    idle = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
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
        idle = 0 if part.exists() and part.stat().st_size > before else idle + 1
        if idle >= ATTEMPTS:
            raise reason


def _receive(asset: Asset, part: Path) -> bool:
    """One connection's worth of `asset`, appended to `part` -> whether the file is now whole."""
    from tqdm.auto import tqdm

    have = part.stat().st_size if part.exists() else 0
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
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
                if total is not None and have > total:
                    return True  # longer than the real file: the verification will say so
    return total is None or have >= total


def _verify(path: Path, name: str, advice: str) -> None:
    asset, size = ASSETS[name], path.stat().st_size
    if asset.bytes and size != asset.bytes:
        raise SeglabError(f"{path} has {size} bytes where the official {name} has {asset.bytes}: {advice}")
    if not asset.sha256:
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != asset.sha256:
        raise SeglabError(f"{path} is not the official {name} (its SHA-256 is {digest.hexdigest()}): {advice}")


def extract_zip(archive: str | Path, folder: str | Path) -> Path:
    """Unpack an archive into the new folder `folder`, all or nothing; a sole top folder inside it is left out.

    A folder that another process has put there meanwhile stays.

    Refuses, before anything is written, absolute paths, `..`, links, device files and archives that grow beyond
    reason. Errors: SeglabError, naming the archive and the member.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _refuse_unsafe(archive, members)
            need = sum(member.file_size for member in members)  # zipfile never writes more than a member declares
            with staging_dir(folder) as part:
                free = shutil.disk_usage(part).free
                if need > free:
                    raise SeglabError(f"{archive} needs {need:,} bytes in {folder.parent}, where {free:,} are free")
                for member in with_progress(members, f"unpack {archive.name}", "file"):
                    opened.extract(member, part)
                inside = [path for path in part.iterdir() if path.name != "__MACOSX"]
                publish(inside[0] if len(inside) == 1 and inside[0].is_dir() else part, folder)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise SeglabError(f"{archive} cannot be unpacked ({error}): delete it and fetch it again") from error
    return folder


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.orig_filename.replace("\\", "/")
        if name.startswith("/") or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts or "\0" in name:
            raise SeglabError(f"{archive} has a member that leaves its folder ('{member.orig_filename}'): not unpacked")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise SeglabError(f"{archive} has a link or device among its members ('{member.filename}'): not unpacked")
    size, unpacked = archive.stat().st_size, sum(member.file_size for member in members)
    if unpacked > LARGEST_GROWTH * size + 10 * CHUNK:
        raise SeglabError(f"{archive} would grow from {size:,} to {unpacked:,} bytes, like a zip bomb: not unpacked")
