"""Archives are unpacked with care: completely or not at all, and never outside their folder."""

from __future__ import annotations

import errno
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from seglab.errors import SeglabError
from seglab.files import publish, staging_dir
from seglab.progress import with_progress

MAX_GROWTH = 100  # an archive that unpacks to more than this many times its size is taken for a bomb
SMALL_BYTES = 10 << 20  # so much may come of any archive, however small it is
# What is wrong with the disk and not with the archive.
DISK_ERRORS = (errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOENT, errno.ENOSPC, errno.EPERM, errno.EROFS)


def extract_zip(archive: str | Path, folder: str | Path) -> Path:
    """Unpack an archive into the new folder `folder`, all or nothing; a sole top folder inside it is left out.

    A folder that another process has put there meanwhile stays. Absolute paths, `..`, links, device files and archives
    that grow beyond reason are refused before anything is written. Errors: SeglabError, naming the archive and the
    member.
    """
    archive = Path(archive)
    folder = Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _refuse_unsafe(archive, members)
            need = sum(member.file_size for member in members)  # zipfile never writes more than a member declares
            with staging_dir(folder) as part:
                free = shutil.disk_usage(part).free
                if need > free:
                    raise SeglabError(
                        f"{archive} needs {need:,} bytes in {folder.parent}, but only {free:,} are free: free some "
                        "space there"
                    )
                for member in with_progress(members, f"unpack {archive.name}", "file"):
                    opened.extract(member, part)
                inside = [path for path in part.iterdir() if path.name != "__MACOSX"]
                publish(inside[0] if len(inside) == 1 and inside[0].is_dir() else part, folder)
    except SeglabError:
        raise
    except Exception as error:  # of a damaged archive, zipfile raises what its bytes happen to lead to
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        reason = str(error) or type(error).__name__
        raise SeglabError(f"{archive} cannot be unpacked ({reason}): delete it and download it again") from error
    return folder


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raise SeglabError for the first member that could harm, and for an archive that grows beyond reason."""
    for member in members:
        name = member.orig_filename.replace("\\", "/")
        if name.startswith("/") or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts or "\0" in name:
            raise SeglabError(
                f"{archive} contains a path outside its folder, '{member.orig_filename}': not unpacked, get a new copy"
            )
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise SeglabError(
                f"{archive} contains a link or device ('{member.filename}'): not unpacked, get a new copy"
            )
    size, unpacked = archive.stat().st_size, sum(member.file_size for member in members)
    if unpacked > MAX_GROWTH * size + SMALL_BYTES:
        raise SeglabError(
            f"{archive} would grow from {size:,} to {unpacked:,} bytes, like a zip bomb: not unpacked, get a new copy"
        )
