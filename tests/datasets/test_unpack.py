"""Archives that must not be unpacked, and what becomes of those that may."""

import os
import zipfile

import pytest

from seglab.datasets.unpack import extract_zip
from seglab.errors import SeglabError


def make_zip(path, members, mode=0o100644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def test_extract_leaves_out_the_sole_top_folder(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"top/images/x.txt": "x", "top/y.txt": "y"})
    folder = extract_zip(archive, tmp_path / "data" / "set")
    assert (folder / "images/x.txt").read_text() == "x" and (folder / "y.txt").read_text() == "y"
    assert os.listdir(tmp_path / "data") == ["set"]


def test_extract_keeps_several_top_entries(tmp_path):
    folder = extract_zip(make_zip(tmp_path / "a.zip", {"a/x": "1", "b/x": "2"}), tmp_path / "set")
    assert (folder / "a/x").read_text() == "1" and (folder / "b/x").read_text() == "2"


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "..\\x", "C:\\x", "C:x", "a/..", "\\\\server\\share\\x", "//server/x"]
)
def test_members_that_leave_the_folder_are_refused(tmp_path, name):
    (tmp_path / "box").mkdir()
    archive = make_zip(tmp_path / "box/a.zip", {"fine.txt": "x", name: "evil"})
    with pytest.raises(SeglabError, match="outside its folder"):
        extract_zip(archive, tmp_path / "box/inside/set")
    assert sorted(os.listdir(tmp_path / "box")) == ["a.zip"]


@pytest.mark.parametrize("mode", [0o120777, 0o060644, 0o010644])
def test_links_and_devices_are_refused(tmp_path, mode):
    with pytest.raises(SeglabError, match="link or device"):
        extract_zip(make_zip(tmp_path / "a.zip", {"link": "/etc/passwd"}, mode), tmp_path / "set")


def test_bombs_are_refused(tmp_path):
    with pytest.raises(SeglabError, match="bomb"):
        extract_zip(make_zip(tmp_path / "a.zip", {"zeros": bytes(50 << 20)}), tmp_path / "set")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"zeros": bytes(1 << 20)})
    data = bytearray(archive.read_bytes())
    place = data.index(b"PK\x01\x02") + 24  # size in the central directory
    data[place : place + 4] = (100).to_bytes(4, "little")
    archive.write_bytes(data)
    with pytest.raises(SeglabError):
        extract_zip(archive, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_broken_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(SeglabError, match=r"a\.zip cannot be unpacked"):
        extract_zip(tmp_path / "a.zip", tmp_path / "set")
