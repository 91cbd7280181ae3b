"""Image files and videos as people have them: what each file of the shared cases must give, one line a file."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from seglab.data.image import look_at, read_image
from seglab.data.scan import scan
from seglab.errors import SeglabError
from seglab.image_files import Reading
from seglab.inference.sources import load

UPRIGHT, TURNED = (48, 64), (64, 48)  # (height, width)
COLOR = (126.0, 117.5, 110.0)  # mean red, green and blue of the image that most files hold
TWELVE, FLOAT, WIDE = (0, 4095), (0, 1), (0, 65535)

# Name -> (height, width), mean color, and what there is more of in the file.
READ = {
    "a.avif": (UPRIGHT, COLOR, ""),
    "a.bmp": (UPRIGHT, COLOR, ""),
    "a.dds": (UPRIGHT, COLOR, ""),
    "a.ico": ((32, 32), COLOR, ""),
    "a.jfif": (UPRIGHT, COLOR, ""),
    "a.jp2": (UPRIGHT, COLOR, ""),
    "a.mpo": (UPRIGHT, COLOR, ""),
    "a.ppm": (UPRIGHT, COLOR, ""),
    "anim.png": (UPRIGHT, COLOR, "frames"),
    "anim.webp": (UPRIGHT, COLOR, "frames"),
    "avif_as.jpg": (UPRIGHT, COLOR, ""),
    "cmyk.jpg": (UPRIGHT, COLOR, ""),
    "cmyk.tif": (UPRIGHT, COLOR, ""),
    "exif.avif": (TURNED, COLOR, ""),
    "exif.jpg": (TURNED, COLOR, ""),
    "exif.png": (TURNED, COLOR, ""),
    "exif.tif": (TURNED, COLOR, ""),
    "exif.webp": (TURNED, COLOR, ""),
    "g16.png": (UPRIGHT, (122.6,) * 3, ""),
    "g16.tif": (UPRIGHT, (122.6,) * 3, ""),
    "gif_as.jpg": (UPRIGHT, COLOR, ""),
    "jp2_as.png": (UPRIGHT, COLOR, ""),
    "jpegc.tif": (UPRIGHT, COLOR, ""),
    "jpg_as.png": (UPRIGHT, COLOR, ""),
    "la.png": (UPRIGHT, (119.2,) * 3, ""),
    "lab.tif": (UPRIGHT, COLOR, ""),
    "lossless.webp": (UPRIGHT, COLOR, ""),
    "lzw.tif": (UPRIGHT, COLOR, ""),
    "motion.jpg": (UPRIGHT, COLOR, ""),
    "mpo_as.jpg": (UPRIGHT, COLOR, ""),
    "multi.gif": (UPRIGHT, COLOR, "frames"),
    "multi.tif": (UPRIGHT, COLOR, "pages"),
    "one.png": (UPRIGHT, (119.0,) * 3, ""),
    "one.tif": (UPRIGHT, (119.0,) * 3, ""),
    "pal.png": (UPRIGHT, COLOR, ""),
    "palt.png": (UPRIGHT, COLOR, ""),
    "png_as.jpg": (UPRIGHT, COLOR, ""),
    "rgb16.png": (UPRIGHT, COLOR, ""),
    "rgb16.tif": (UPRIGHT, COLOR, ""),
    "rgba.png": (UPRIGHT, COLOR, ""),
    "rgba.webp": (UPRIGHT, COLOR, ""),
    "trailer.jpg": (UPRIGHT, COLOR, ""),
    "webp_as.jpg": (UPRIGHT, COLOR, ""),
    "zstd.tif": (UPRIGHT, COLOR, ""),
}
# Name -> the range with which it is read, its mean color then, and what is said without one.
WITH_RANGE = {
    "g12in16.png": (TWELVE, (125.5,) * 3, r"reach only 4032 of 65535.*pass range=4095"),
    "f32.tif": (FLOAT, (127.5,) * 3, r"go from 0 to 1\): pass range=LOW,HIGH"),
    "f32rgb.tif": (FLOAT, COLOR, r"go from 0 to 0\.988235\): pass range=LOW,HIGH"),
    "i32.tif": (WIDE, (122.6,) * 3, r"go from 0 to 63000\): pass range=LOW,HIGH"),
}
# Name -> what is said of it.
REFUSED = {
    "heic_as.jpg": "HEIC",  # its boxes hold no image
    "html.jpg": r"web page.*download the image again",
    "lfs.jpg": r"Git LFS.*git lfs pull",
    "trunc.jpg": r"truncated.*replace or remove",
    "zero.jpg": r"empty.*replace or remove",
}
# Name -> frames and their (height, width), or what is said.
VIDEOS = {
    "a.avi": (6, (96, 128)),
    "f05.mp4": (6, (96, 128)),
    "f240.mp4": (6, (96, 128)),
    "f25.mp4": (6, (96, 128)),
    "f2997.mp4": (6, (96, 128)),
    "odd.mp4": (6, (94, 126)),
    "rot90.mp4": (6, (128, 96)),
    "rot180.mp4": (6, (96, 128)),
    "rot270.mp4": (6, (128, 96)),
    "trunc.mp4": "no frame can be read",
    "zero.mp4": "no frame can be read",
}


@pytest.fixture(scope="module")
def cases(shared_folder, tmp_path_factory) -> Path:
    archive = shared_folder / "cases" / "cases.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there, so its files cannot be read")
    folder = tmp_path_factory.mktemp("cases")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


class NoLabels:
    has_json = False

    def unplaced(self):
        return []

    def read(self, image, size):
        return [], []


def test_every_file_has_a_line(cases):
    assert {path.name for path in (cases / "pics").iterdir()} == READ.keys() | WITH_RANGE.keys() | REFUSED.keys()
    assert {path.name for path in (cases / "vid").iterdir()} == VIDEOS.keys()


@pytest.mark.parametrize("name", list(READ))
def test_read(cases, name):
    size, color, further = READ[name]
    path = cases / "pics" / name
    image = read_image(path)
    assert image.shape == (*size, 3) and image.dtype == np.uint8
    assert image.reshape(-1, 3).mean(axis=0) == pytest.approx(color, abs=1.5)
    assert look_at(path) == (size, further)
    if further != "frames" or name.startswith("anim"):  # predict takes an animated GIF for a video
        (frame,) = load(path)
        np.testing.assert_array_equal(frame.image, image)


@pytest.mark.parametrize("name", list(WITH_RANGE))
def test_read_with_a_range(cases, name):
    sample_range, color, told = WITH_RANGE[name]
    path = cases / "pics" / name
    image = read_image(path, Reading(range=sample_range))
    assert image.reshape(-1, 3).mean(axis=0) == pytest.approx(color, abs=1.5)
    for function in (read_image, look_at):
        with pytest.raises(SeglabError, match=told):
            function(path)


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused(cases, name):
    path = cases / "pics" / name
    for function in (read_image, look_at):
        with pytest.raises(SeglabError, match=f"{name} .*{REFUSED[name]}"):
            function(path)


def test_the_scan_and_predict_agree_on_the_folder(cases, capsys):
    paths = sorted((cases / "pics").iterdir())
    sizes, issues = scan(paths, NoLabels(), strict=False)
    out = {path.name for path, size in zip(paths, sizes) if size is None}
    assert out == WITH_RANGE.keys() | REFUSED.keys()
    assert {Path(issue.path).name for issue in issues if not issue.is_note} == out
    assert {Path(issue.path).name for issue in issues if issue.is_note} == {n for n, row in READ.items() if row[2]}
    predicted = {Path(image.path).name for image in load(cases / "pics")}
    assert predicted == READ.keys() - {"a.dds", "a.ico"}  # which no folder is searched for
    assert capsys.readouterr().out.count("skipped: ") == len(out)


@pytest.mark.parametrize("name", list(VIDEOS))
def test_videos(cases, name):
    path = cases / "vid" / name
    if isinstance(VIDEOS[name], str):
        with pytest.raises(SeglabError, match=f"{VIDEOS[name]}.*{name}"):
            list(load(path))
        return
    count, size = VIDEOS[name]
    frames = [frame.image for frame in load(path)]
    assert [frame.shape for frame in frames] == [(*size, 3)] * count
    if name.startswith("rot") and name != "rot90.mp4":  # a turned film shows what the others show, turned
        first = next(load(cases / "vid" / "rot90.mp4")).image
        turns = {"rot180.mp4": 1, "rot270.mp4": 2}[name]
        either_way = [np.rot90(first, sign * turns).astype(int) for sign in (1, -1)]
        assert min(np.abs(frames[0] - turned).mean() for turned in either_way) < 4


def test_a_folder_of_videos(cases, capsys):
    assert len(list(load(cases / "vid"))) == 9 * 6
    told = capsys.readouterr().out
    assert "trunc.mp4" in told and "zero.mp4" in told


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("p/a[1]/*.jpg", ["1.jpg", "b(2) ü%20#.jpg"]),
        ("p/a[1]", ["1.jpg", "b(2) ü%20#.jpg"]),
        ("p/a[1]/b(2) ü%20#.jpg", ["b(2) ü%20#.jpg"]),
        ("p/x", ["1.jpg", "1.png"]),
        ("p/*/1.*", ["1.jpg", "1.jpg", "1.png", "1.jpg"]),
        ("p/l.txt", ["1.jpg", "1.jpg"]),  # its second line is not there
    ],
)
def test_paths(cases, source, names):
    assert [Path(image.path).name for image in load(str(cases / source))] == names


def test_a_broken_file_of_a_list(cases, capsys):
    listed = [cases / "p/x/1.jpg", cases / "p/bad.jpg", cases / "p/y/1.jpg"]
    assert [image.path for image in load(listed)] == [str(listed[0]), str(listed[2])]
    assert "bad.jpg" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["y_avif", "y_onlyjfif", "y_upper"])
def test_folders_of_unusual_suffixes(cases, name):
    images = sorted((cases / name / "images/train").iterdir())
    sizes, issues = scan(images, NoLabels(), strict=False)
    assert None not in sizes and not issues
    assert [image.path for image in load(cases / name / "images/train")] == [str(path) for path in images]


@pytest.mark.parametrize("name", ["exif_raw", "exif_up"])
def test_exif_is_applied(cases, name):
    image = read_image(cases / name / "a.jpg")
    assert image.shape[:2] == look_at(cases / name / "a.jpg")[0] == TURNED
