"""Every kind of source gives the same image; mistakes are named."""

from __future__ import annotations

import itertools
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from seglab.errors import SeglabError
from seglab.image_files import Reading
from seglab.inference import sources as source_module
from seglab.inference.sources import batches, can_be_read_ahead, load, share_of

RGB = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def images_of(source, **options) -> list[np.ndarray]:
    return [frame.image for frame in load(source, **options)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["b.png", "a.bmp", "c.PNG"]):
        cv2.imwrite(str(tmp_path / name), np.roll(RGB, number, axis=0)[..., ::-1])
    (tmp_path / "notes.md").write_text("not an image")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in range(0, 250, 25):
        writer.write(np.full((48, 64, 3), (0, 0, level), dtype=np.uint8))  # ever more red
    writer.release()
    return path


def test_what_is_read_ahead_has_several_images_and_is_not_a_programs_own(folder, video):
    (folder / "list.txt").write_text("b.png\n")
    several = [folder, str(folder / "*.png"), folder / "list.txt", video, 0, "0", "rtsp://camera", [RGB, RGB], (RGB, 0)]
    assert all(map(can_be_read_ahead, several))
    single = [folder / "b.png", RGB, [RGB], Image.fromarray(RGB), iter([RGB, RGB]), torch.zeros(2, 3, 32, 32)]
    assert not any(map(can_be_read_ahead, [*single, folder / "missing.png", "https://site/a.jpg", folder / "notes.md"]))


def test_memory_sources_agree(folder):
    tensor = torch.from_numpy(RGB).permute(2, 0, 1) / 255
    sources = [
        folder / "b.png",
        str(folder / "b.png"),
        RGB[..., ::-1],
        np.dstack((RGB[..., ::-1], np.full((12, 16), 9, np.uint8))),
        tensor,
        tensor.double()[None],
        Image.fromarray(RGB),
        Image.open(folder / "b.png"),
    ]
    for source in sources:
        (image,) = images_of(source)
        assert image.dtype == np.uint8 and image.flags.c_contiguous
        np.testing.assert_array_equal(image, RGB)
    assert len(images_of(sources)) == len(sources)
    assert len(images_of((sources[:2], iter(sources[2:4])))) == 4


def test_gray():
    gray = RGB[..., 0]
    for source in (gray, gray[..., None], Image.fromarray(gray)):
        np.testing.assert_array_equal(images_of(source)[0], np.dstack([gray] * 3))


def test_paths_of_pictures_in_memory(folder):
    frames = list(load([RGB, folder / "a.bmp", RGB, Image.open(folder / "b.png")]))
    assert [Path(f.path).name for f in frames] == ["image0.jpg", "a.bmp", "image2.jpg", "b.png"]


def test_folder_glob_and_list_are_sorted(folder):
    names = [Path(frame.path).name for frame in load(folder)]
    assert names == ["a.bmp", "b.png", "c.PNG"]
    assert [Path(f.path).name for f in load(str(folder / "*.png"))] == ["b.png"]
    assert [Path(f.path).name for f in load(str(folder / "**" / "?.*"))] == names
    (folder / "list.txt").write_text(f"# a comment\nc.PNG\n\n{folder / 'a.bmp'}\n")
    assert [Path(f.path).name for f in load(folder / "list.txt")] == ["c.PNG", "a.bmp"]


def test_a_name_with_glob_signs_is_a_file_when_it_exists(tmp_path):
    cv2.imwrite(str(tmp_path / "a[1].png"), RGB[..., ::-1])
    np.testing.assert_array_equal(images_of(tmp_path / "a[1].png")[0], RGB)


def test_video_frames_in_order_and_by_stride(video):
    frames = images_of(video)
    assert len(frames) == 10 and frames[0].shape == (48, 64, 3)
    red = [frame[..., 0].mean() for frame in frames]
    assert np.allclose(red, range(0, 250, 25), atol=6) and frames[-1][..., 2].max() < 20
    assert [frame[..., 0].mean() for frame in images_of(video, vid_stride=4)] == [red[0], red[4], red[8]]
    assert len(images_of(video.parent)) == 10  # a folder's videos count


def test_unreadable_images_of_a_folder_are_reported_and_the_others_read(folder, capsys):
    whole = len(images_of(folder))
    (folder / "bad.png").write_bytes(b"no image")
    assert len(images_of(folder)) == whole
    assert "skipped" in capsys.readouterr().out
    with pytest.raises(SeglabError, match=r"no file of .* can be read"):
        list(load(str(folder / "bad*.png")))
    with pytest.raises(SeglabError, match=r"bad\.png"):  # of a list every item gives its results, or an error
        list(load([folder / "bad.png"]))


def test_pil_images_stand_upright_as_their_files_do(tmp_path):
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
        (from_file,) = images_of(tmp_path / "a.png")
        np.testing.assert_array_equal(images_of(Image.open(tmp_path / "a.png"))[0], from_file)
    (image,) = images_of(Image.fromarray(RGB).convert("CMYK"))
    assert image.shape == RGB.shape and np.abs(image.astype(int) - RGB).max() <= 1


def test_a_broken_file_of_a_list_is_reported_and_left_out(folder, tmp_path, capsys):
    (folder / "bad.png").write_bytes(b"no image")
    names = [Path(image.path).name for image in load([folder / "b.png", str(folder / "bad.png"), folder / "a.bmp"])]
    assert names == ["b.png", "a.bmp"] and "skipped: " in capsys.readouterr().out
    (folder / "list.txt").write_text("b.png\nbad.png\nmissing.png\na.bmp\n")
    assert [Path(image.path).name for image in load(folder / "list.txt")] == names
    told = capsys.readouterr().out
    assert "bad.png" in told and "missing.png" in told
    with pytest.raises(SeglabError, match="no file of the list"):
        list(load([folder / "bad.png", folder / "bad.png"]))
    with pytest.raises(SeglabError, match="uint8"):  # a program's fault, which should not pass for a broken file
        list(load([RGB, np.zeros((4, 4, 7), np.uint8)]))


def test_folders_with_brackets_mean_themselves(tmp_path):
    for name in ("a[1]", "a1", "[ab]"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.jpg"), RGB)
    for pattern in ("a[1]/*.jpg", "a[1]/?.jpg", "[ab]/*", "a[1]", "a[1]/1.jpg"):
        (image,) = load(str(tmp_path / pattern))
        assert Path(image.path).parent.name == pattern.split("/")[0]
    assert [Path(image.path).parent.name for image in load(str(tmp_path / "a[0-9]/*.jpg"))] == ["a1"]


def test_a_gif_is_an_image_or_a_video_by_its_frames(tmp_path, capsys):
    frames = [Image.fromarray(np.full((48, 64, 3), level, np.uint8)) for level in (0, 100, 200)]
    frames[1].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "moving.jpg").write_bytes((tmp_path / "moving.gif").read_bytes())
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    counts = {name: len(images_of(tmp_path / name)) for name in ("still.gif", "moving.gif", "moving.jpg", "pages.tif")}
    assert counts == {"still.gif": 1, "moving.gif": 3, "moving.jpg": 3, "pages.tif": 1}
    assert "pages.tif has several pages: the first is read" in capsys.readouterr().out


def test_numbers_of_other_types_with_their_range():
    ramp = np.linspace(0, 1, 192).reshape(12, 16)
    eight = np.round(ramp * 255).astype(np.uint8)
    cases = [
        (ramp, (0, 1)),
        (ramp.astype(np.float32) * 50 - 20, (-20, 30)),
        ((ramp * 4095).astype(np.uint16), (0, 4095)),
    ]
    for values, sample_range in cases:
        for source in (values, values[..., None], np.dstack([values] * 3)):
            (image,) = images_of(source, reading=Reading(range=sample_range))
            assert np.abs(image.astype(int) - eight[..., None]).max() <= 1
        with pytest.raises(SeglabError, match="range="):
            images_of(values)
    (deep,) = images_of((ramp * 65535).astype(np.uint16))  # 16 bits have a range of their own
    assert np.abs(deep.astype(int) - eight[..., None]).max() <= 1
    (deep,) = images_of(Image.fromarray((ramp * 4095).astype(np.uint16)), reading=Reading(range=(0, 4095)))
    assert np.abs(deep.astype(int) - eight[..., None]).max() <= 1


def test_pil_images_of_sixteen_bits_are_scaled():
    deep = Image.fromarray(np.full((4, 4), 257 * 77, np.uint16))
    assert images_of(deep)[0].tolist() == np.full((4, 4, 3), 77).tolist()


def test_a_list_may_start_with_a_byte_order_mark(folder):
    (folder / "list.txt").write_text("b.png\r\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(images_of(folder / "list.txt")[0], RGB)


def test_reading_is_lazy(folder):
    frames = load([RGB, "nowhere.jpg"])
    next(frames)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg"):
        next(frames)


def test_batches():
    sizes = [len(batch) for batch in batches(load([RGB] * 5), 2)]
    assert sizes == [2, 2, 1]


@pytest.fixture
def address(folder, video, monkeypatch):
    monkeypatch.delenv("SEGLAB_OFFLINE", raising=False)
    handler = type("Silent", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses(address, monkeypatch):
    (frame,) = load(f"{address}/b.png?size=full")
    np.testing.assert_array_equal(frame.image, RGB)
    assert frame.path == f"{address}/b.png?size=full"
    assert len(images_of(f"{address}/clip.avi")) == 10
    with pytest.raises(SeglabError, match="cannot fetch"):
        next(load(f"{address}/missing.png"))
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    with pytest.raises(SeglabError, match="SEGLAB_OFFLINE"):
        next(load(f"{address}/b.png"))


def test_errors_name_the_problem(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("\n")
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "lists.txt").write_text("lists.txt\n")
    (tmp_path / "latin.txt").write_text("ü.jpg", encoding="latin-1")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:5000])
    monkeypatch.delenv("SEGLAB_OFFLINE", raising=False)  # the address is refused before anything is asked
    cases = [
        (tmp_path / "nowhere.jpg", FileNotFoundError, "nowhere"),
        (tmp_path / "empty", FileNotFoundError, "no image or video in"),
        (str(tmp_path / "*.jpg"), FileNotFoundError, "no image or video in"),
        (tmp_path / "list.txt", SeglabError, "is empty"),
        (tmp_path / "broken.mp4", SeglabError, "no frame can be read"),
        (np.zeros((4, 4, 3)), SeglabError, "uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), SeglabError, r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), SeglabError, "uint8"),
        (torch.zeros(4, 4), SeglabError, "tensor"),
        (torch.full((3, 4, 4), 255.0), SeglabError, "divide by 255"),
        (torch.full((3, 4, 4), float("nan")), SeglabError, "0..1"),
        (None, TypeError, "NoneType"),
        (b"the bytes of a file", TypeError, "bytes"),
        (tmp_path / "lists.txt", SeglabError, "contains another list"),
        (tmp_path / "latin.txt", SeglabError, "no file of the list .*latin"),
        ("http://host/a b.jpg", SeglabError, "cannot fetch"),
        (Image.open(tmp_path / "cut.png"), SeglabError, r"PIL image .*cut\.png"),
        (Image.fromarray(np.zeros((4, 4), np.int32)), SeglabError, "8 or 16 bits"),
    ]
    for source, kind, message in cases:
        with pytest.raises(kind, match=message):
            next(load(source))


def test_what_a_mac_puts_beside_images_on_other_disks_is_none(folder, capsys):
    (folder / "._b.png").write_bytes(b"\0\5\x16\7")
    assert len(images_of(folder)) == 3 and "skipped" not in capsys.readouterr().out


def test_an_address_names_no_file(address, folder, monkeypatch):
    """On Windows C:b.png would lie elsewhere, and a folder with an open film could not be removed."""
    (folder / "C:b.png").write_bytes((folder / "b.png").read_bytes())
    asked, released = [], []
    monkeypatch.setattr(source_module, "decode_image", lambda path, *_: asked.append(path.name) or RGB)
    next(load(f"{address}/C%3Ab.png"))
    assert asked == ["download.png"]

    class Capture:
        def __init__(self, name):
            self.name, self.capture = name, OpenCapture(name)

        def __getattr__(self, name):
            return getattr(self.capture, name)

        def release(self):
            released.append(Path(self.name).exists())
            self.capture.release()

    OpenCapture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    frames = load(f"{address}/clip.avi")
    next(frames)
    frames.close()
    assert released == [True]


def test_a_csv_lists_images_in_its_first_column(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(RGB).save(tmp_path / f"{name}.png")
    (tmp_path / "list.csv").write_text('path,label\na.png,cup\n"b.png",kite\n')
    assert [Path(image.path).name for image in load(tmp_path / "list.csv")] == ["a.png", "b.png"]


def test_a_tensor_of_bytes_is_an_image():
    tensor = torch.from_numpy(RGB).permute(2, 0, 1)
    (image,) = load(tensor)
    assert np.array_equal(image.image, RGB)


def test_a_screen_needs_a_package_and_a_number(monkeypatch):
    class Grabber:
        monitors = ({}, {"left": 5, "top": 7, "width": 16, "height": 12})

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def grab(self, area):
            grabbed.append(area)
            return np.dstack((RGB[..., ::-1], np.full(RGB.shape[:2], 255, np.uint8)))

    grabbed: list[dict] = []
    monkeypatch.setitem(sys.modules, "mss", SimpleNamespace(mss=Grabber))
    first, second = itertools.islice(load("screen"), 2)  # it never ends
    assert np.array_equal(first.image, RGB) and second.path == "screen"
    next(load("screen 1 2 3 4 5"))
    assert grabbed[-1] == {"left": 7, "top": 10, "width": 4, "height": 5}
    for name, told in (("screen 9", "screens 1 to 1"), ("screen left", "must be screen")):
        with pytest.raises(SeglabError, match=told):
            next(load(name))
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(SeglabError, match="pip install mss"):
        next(load("screen"))


def test_shares_hold_every_item_once_and_in_order(tmp_path):
    names = [f"{number}.png" for number in range(7)]
    for number, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "notes.md").write_text("no image")
    (tmp_path / "list.txt").write_text("\n".join(names))
    for source in (tmp_path, str(tmp_path / "*.png"), tmp_path / "list.txt", sorted(tmp_path.glob("*.png"))):
        whole = [(Path(item.path).name, int(item.image[0, 0, 0])) for item in load(source)]
        assert [name for name, _ in whole] == names
        shares = [
            [(Path(each.path).name, int(each.image[0, 0, 0])) for each in load(share_of(source, part, 3))]
            for part in range(3)
        ]
        assert shares == [whole[0::3], whole[1::3], whole[2::3]]
    assert [share_of(tmp_path, part, 8) for part in (6, 7)] == [[tmp_path / "6.png"], []]
    assert len(share_of(None, 0, 2)) + len(share_of(None, 1, 2)) == len(share_of("toybox8-seg", 0, 1))


@pytest.mark.parametrize(
    "source",
    [
        *("0", "screen", "film.mp4", np.zeros((8, 8, 3), np.uint8)),
        *("rtsp://camera?channel=1", "https://site/a.jpg?size=[2]", "https://site/" + "a" * 300),
    ],
)
def test_what_has_one_item_cannot_be_shared(source):
    with pytest.raises(SeglabError, match="cannot be shared by 2 processes: give a folder"):
        share_of(source, 0, 2)
