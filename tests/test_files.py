"""Files and folders that appear as a whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from seglab import files
from seglab.errors import SeglabError
from seglab.files import atomic_write, publish, replace, sole_process, staging_dir


def test_two_that_make_one_thing_at_once_leave_each_others_work_alone(tmp_path):
    place = tmp_path / "new" / "set"
    with staging_dir(place) as slow:
        (slow / "file").write_text("slow")
        with staging_dir(place) as quick:
            assert not list(quick.iterdir()) and quick.name == slow.name == "set"
            (quick / "file").write_text("quick")
            publish(quick, place)
        assert (slow / "file").read_text() == "slow"
        publish(slow, place)
    assert (place / "file").read_text() == "quick" and os.listdir(place.parent) == ["set"]


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), staging_dir(tmp_path / "set") as part:
        (part / "file").touch()
        raise KeyboardInterrupt
    with pytest.raises(FileNotFoundError):
        publish(part, tmp_path / "set")
    assert not os.listdir(tmp_path)


def test_an_interruption_while_the_folder_is_made_leaves_nothing(tmp_path, monkeypatch):
    make = os.mkdir

    def interrupted(path, *arguments, **named):
        make(path, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "mkdir", interrupted)
        with staging_dir(tmp_path / "set"):
            pass
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_there_is_replaced(tmp_path, is_folder):
    def make(parent, text):
        path = parent / "model"
        if is_folder:
            path.mkdir(parents=True)
            (path / text).write_text(text)
        else:
            path.write_text(text)
        return path

    target = make(tmp_path, "old")
    for text in ("new", "newer"):
        with staging_dir(target) as folder:
            assert replace(make(folder, text), target) == target
        found = [path.read_text() for path in ([target] if target.is_file() else target.iterdir())]
        assert found == [text]
    assert os.listdir(tmp_path) == ["model"]


def test_a_file_is_replaced_whole_and_is_as_readable_as_any(tmp_path, monkeypatch):
    path, plain = tmp_path / "new" / "file.csv", tmp_path / "plain"
    plain.touch()
    for text in (b"one", b"two"):
        assert atomic_write(path, text) == path and path.read_bytes() == text
    assert path.stat().st_mode == plain.stat().st_mode

    def full(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        atomic_write(path, b"three")
    assert [file.name for file in path.parent.iterdir()] == ["file.csv"] and path.read_bytes() == b"two"


def test_a_file_that_is_open_elsewhere_is_waited_for(tmp_path, monkeypatch):
    """As Windows has it, for as long as a virus scanner looks."""
    replace, left = os.replace, [2]

    def busy(source, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError("open in another program")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files, "REPLACE_WAITS", (0.001, 0.001))
    assert atomic_write(tmp_path / "file", b"one").read_bytes() == b"one"
    left[0] = 3
    with pytest.raises(PermissionError):
        atomic_write(tmp_path / "file", b"two")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


# --- what killed processes leave behind ---

KILLED = """
import os, signal, sys
from pathlib import Path
from seglab.files import atomic_write, staging_dir

target = Path(sys.argv[1])
if sys.argv[2] == "folder":
    with staging_dir(target) as part:
        (part / "half").write_bytes(b"x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
atomic_write(target, b"x" * 1000)
"""


def write_something(target: Path, kind: str) -> None:
    if kind == "folder":
        with staging_dir(target) as part:
            publish(part, target)
    else:
        atomic_write(target, b"whole")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path, kind, capsys):
    target = tmp_path / "set"
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED, target, kind], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert files.orphans(tmp_path) == [left]
    write_something(target, kind)
    assert list(tmp_path.iterdir()) == [target]
    assert capsys.readouterr().out == f"removed {left}, which an interrupted run had left unfinished\n"


def test_unfinished_files_of_living_processes_and_of_other_machines_stay(tmp_path):
    own = tmp_path / files.part_name(tmp_path / "own")
    other_machine = tmp_path / "set.part.elsewhere.999999999"
    not_ours = tmp_path / "thing.pt.part"  # a download, which the next run continues
    for path in (own, other_machine, not_ours):
        path.touch()
    write_something(tmp_path / "set", "folder")
    assert sorted(tmp_path.iterdir()) == sorted([own, other_machine, not_ours, tmp_path / "set"])


@pytest.mark.parametrize(
    "writes", [lambda path: files.atomic_write(path, b"x"), lambda path: write_something(path, "folder")]
)
def test_a_move_is_on_the_disk_when_it_is_reported(tmp_path, monkeypatch, writes):
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    writes(tmp_path / "made")
    assert synced == [tmp_path]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process began")
@pytest.mark.parametrize("move", [publish, replace])
@pytest.mark.parametrize("has_syncfs", [True, False])
def test_the_files_of_a_folder_are_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch, move, has_syncfs):
    made, target = tmp_path / "made", tmp_path / "target"
    (made / "inner").mkdir(parents=True)
    for name in ("a", "inner/b"):
        (made / name).write_bytes(b"x")
    os.symlink("nowhere", made / "link")
    done = []
    whole_disk, one_file, rename = files._sync_disk_of, files._sync_file, os.replace
    monkeypatch.setattr(
        files, "_sync_disk_of", lambda folder: done.append(folder) or (has_syncfs and whole_disk(folder))
    )
    monkeypatch.setattr(files, "_sync_file", lambda path: done.append(path) or one_file(path))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("moved") or rename(*paths))
    move(made, target)
    one_by_one = set() if has_syncfs else {made / "a", made / "inner/b"}
    assert done[0] == made and set(done[1:-1]) == one_by_one and done[-1] == "moved"
    assert (target / "inner/b").read_bytes() == b"x"


def test_a_file_that_the_disk_has_lost_is_told(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/a").write_bytes(b"x")
    monkeypatch.setattr(files, "_sync_disk_of", lambda folder: False)
    for number, is_told in ((errno.EIO, True), (errno.EINVAL, False)):  # some network drives cannot be asked

        def fail(descriptor, number=number):
            raise OSError(number, "no")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError) if is_told else nullcontext():
            publish(tmp_path / "made", tmp_path / "target")
        assert (tmp_path / "target").exists() is not is_told


def test_a_number_that_another_process_has_now_protects_nothing(tmp_path):
    left = tmp_path / f"{files.part_name(tmp_path / 'set').rpartition('-')[0]}-1.x_y"  # ours, of an earlier start
    left.mkdir()
    assert files.orphans(tmp_path) == [left]


@pytest.mark.parametrize("host", ["vm", "a.b", "10.0.0.5", "1234"])
@pytest.mark.parametrize("ending", ["", ".1a2b3c4d", ".16233642", ".abcdefab"])
def test_hosts_and_endings_of_digits_are_told_apart(tmp_path, monkeypatch, host, ending):
    """One ending in fifty is all digits, which could be the number of a process."""
    monkeypatch.setattr(files.socket, "gethostname", lambda: host)
    left = tmp_path / f"{files.part_name(tmp_path / 'set').rpartition('.')[0]}.999999999-1{ending}"
    left.mkdir()
    assert files.orphans(tmp_path) == [left]


HOLDER = """
import sys, time
from pathlib import Path
from seglab.files import sole_process
with sole_process(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_one_process_s_at_a_time_and_goes_with_a_killed_one(tmp_path):
    lock = tmp_path / "new" / "set.lock"
    with sole_process(lock, busy="in use: wait"):
        with pytest.raises(SeglabError, match="in use: wait"), sole_process(lock, busy="in use: wait"):
            pass
        assert lock.exists()
    assert not lock.exists()
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(SeglabError, match="in use"), sole_process(lock, busy="in use: wait"):
        pass
    other.kill()
    other.wait()
    with sole_process(lock, busy="in use: wait"):
        pass
    assert not lock.exists()


def test_those_that_wait_for_a_lock_have_it_one_after_another(tmp_path):
    inside, seen = [], []

    def work():
        with sole_process(tmp_path / "lock"):
            inside.append(1)
            seen.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8 and not os.listdir(tmp_path)
