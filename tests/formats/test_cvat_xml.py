"""CVAT's XML."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
import pytest

from seglab.convert import convert
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats.cvat_xml import CvatSource, _mask, is_here

from ..sources import HEIGHT, WIDTH, picture
from .writers import pixels_of

LABELS = "<meta><task><labels><label><name>cup</name></label><label><name>ball</name></label></labels></task></meta>"
SQUARE = "10,10;40,10;40,30;10,30"  # 600 pixels


def write(folder, shapes: str, name: str = "a.jpg", **attributes: str) -> None:
    more = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    image = f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}" {more}>{shapes}</image>'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.xml").write_text(f"<annotations>{LABELS}{image}</annotations>")


def read(folder) -> tuple[list[tuple[str, int]], list[str]]:
    return pixels_of(CvatSource(folder, None))


def test_polygons_of_one_group_are_one_instance_and_occluded_ones_count(tmp_path):
    picture(tmp_path / "images/a.jpg")
    shapes = f'<polygon label="cup" occluded="1" points="{SQUARE}"/>'
    shapes += '<polygon label="ball" group_id="1" points="1,1;5,1;5,5;1,5"/>'
    shapes += '<polygon label="cup" group_id="1" points="1,31;5,31;5,35;1,35"/>'
    shapes += '<polygon label="ball" group_id="1" points="50,1;55,1;55,5;50,5"/>'
    shapes += '<tag label="cup"/>'
    write(tmp_path, shapes)
    assert load_dataset(tmp_path).names == {0: "cup", 1: "ball"}, "in the order of the task's labels"
    assert read(tmp_path) == ([("cup", 600), ("ball", 16 + 20), ("cup", 16)], [])


def test_boxes_and_ellipses_have_the_area_that_they_show(tmp_path):
    picture(tmp_path / "images/a.jpg")
    shapes = '<box label="cup" xtl="10" ytl="10" xbr="40" ybr="30"/>'
    shapes += '<box label="cup" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90"/>'
    shapes += '<ellipse label="ball" cx="30" cy="20" rx="10" ry="5" rotation="30"/>'
    write(tmp_path, shapes)
    found, messages = read(tmp_path)
    assert found[:2] == [("cup", 600), ("cup", 200)]
    assert found[2][1] == pytest.approx(np.pi * 50, abs=8)
    assert messages == ["no outline: a box"] * 2, "said, and no instance lost"


def test_a_turned_box_stands_where_the_tool_shows_it(tmp_path):
    picture(tmp_path / "images/a.jpg")
    write(tmp_path, '<box label="cup" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90"/>')
    source = CvatSource(tmp_path, None)
    (found,) = source.load(source.entries[0]).instances
    corners = found.rings[0]
    assert np.allclose([*corners.min(axis=0), *corners.max(axis=0)], [25, 5, 35, 25]), "turned about its middle"


def test_masks_run_along_rows_and_are_cut_at_the_border(tmp_path):
    picture(tmp_path / "images/a.jpg")
    shapes = '<mask label="cup" rle="1, 2, 1, 2" left="10" top="5" width="3" height="2"/>'
    shapes += f'<mask label="ball" rle="0, 20" left="{WIDTH - 2}" top="-1" width="4" height="5"/>'
    shapes += f'<mask label="ball" rle="0, 4" left="{WIDTH}" top="0" width="2" height="2"/>'
    write(tmp_path, shapes)
    assert read(tmp_path) == ([("cup", 4), ("ball", 2 * 4)], ["no area: a mask"])
    source = CvatSource(tmp_path, None)
    mask = source.load(source.entries[0]).instances[0].rle
    from seglab.geometry.rle import decode

    rows, columns = np.nonzero(decode(mask))
    assert list(zip(rows.tolist(), columns.tolist())) == [(5, 11), (5, 12), (6, 11), (6, 12)]


@pytest.mark.parametrize(
    "shape",
    [
        '<polygon label="cup" points="1,1;2;3,3"/>',
        '<polygon label="cup" points="1,a;2,2;3,3"/>',
        '<mask label="cup" rle="1, 2" left="0" top="0" width="3" height="2"/>',
        '<mask label="cup" rle="-1, 7" left="0" top="0" width="3" height="2"/>',
        '<mask label="cup" rle="" left="0" top="0" width="3" height="2"/>',
        '<mask label="cup" rle="0, 1000000000000" left="0" top="0" width="1000000" height="1000000"/>',
        '<polyline label="cup" points="1,1;5,5;9,1"/>',
        '<points label="cup" points="1,1"/>',
        '<cuboid label="cup"/>',
        '<box label="cup" xtl="1"/>',
    ],
)
def test_a_shape_that_cannot_be_an_instance_is_told_and_the_others_kept(tmp_path, shape):
    picture(tmp_path / "images/a.jpg")
    write(tmp_path, f'{shape}<polygon label="cup" points="{SQUARE}"/>')
    found, messages = read(tmp_path)
    assert found == [("cup", 600)] and len(messages) == 1
    report = convert(tmp_path, out=tmp_path.with_name(f"{tmp_path.name}-out"))
    assert (report.instances, report.instances_written, report.lost) == (2, 1, 1)


def test_a_mask_larger_than_any_image_is_refused_whatever_size_the_file_declares():
    place = {"left": "0", "top": "0", "width": "100000", "height": "100000"}
    for runs in ("10000000000", "0, 4611686018427387904, 4611686018427387904, 10000000000"):
        with pytest.raises(ValueError, match="100000 x 100000 pixels is not a valid size"):
            _mask(Element("mask", {"rle": runs, **place}), (100_000, 100_000))


def test_subsets_are_splits_and_images_are_found_in_their_folders(tmp_path):
    images = ""
    for subset in ("Train", "Validation"):
        picture(tmp_path / f"images/{subset}/a.jpg")
        shape = f'<polygon label="cup" points="{SQUARE}"/>'
        images += f'<image id="0" name="a.jpg" subset="{subset}" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{LABELS}{images}</annotations>")
    with pytest.raises(SeglabError, match="no image that they refer to"):
        load_dataset(tmp_path)  # whose is images/Train/a.jpg?
    text = (tmp_path / "annotations.xml").read_text()
    for subset in ("Train", "Validation"):
        text = text.replace(f'name="a.jpg" subset="{subset}"', f'name="{subset}/a.jpg" subset="{subset}"')
    (tmp_path / "annotations.xml").write_text(text)
    spec = load_dataset(tmp_path)
    assert {split: images[0].parent.name for split, images in spec.splits.items()} == {
        "train": "Train",
        "val": "Validation",
    }


def test_frames_of_a_video_have_the_shapes_of_its_tracks(tmp_path):
    for number in range(3):
        picture(tmp_path / f"images/frame_{number:06}.jpg")
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    shapes = "".join(f'<polygon frame="{n}" outside="{int(n == 2)}" points="{SQUARE}"/>' for n in range(3))
    track = f'<track id="0" label="cup">{shapes}</track>'
    meta = f"<meta><task>{size}<labels><label><name>cup</name></label></labels></task></meta>"
    (tmp_path / "annotations.xml").write_text(f"<annotations>{meta}{track}</annotations>")
    source = CvatSource(tmp_path, None)
    counts = {entry.image.name: len(source.load(entry).instances) for entry in source.entries}
    assert counts == {"frame_000000.jpg": 1, "frame_000001.jpg": 1, "frame_000002.jpg": 0}


def test_other_xml_is_none_of_cvats_and_a_bomb_is_refused(tmp_path):
    (tmp_path / "voc.xml").write_text("<annotation><object/></annotation>")
    assert not is_here(tmp_path) and not is_here(tmp_path / "voc.xml")
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><annotations>&b;</annotations>'
    (tmp_path / "annotations.xml").write_text(bomb)
    with pytest.raises(SeglabError, match="DOCTYPE"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("size", ['width="a" height="3"', "", 'width="0" height="0"'])
def test_an_image_without_a_size_is_told(tmp_path, size):
    picture(tmp_path / "a.jpg")
    shape = f'<polygon label="cup" points="{SQUARE}"/>'
    (tmp_path / "annotations.xml").write_text(f'<annotations><image name="a.jpg" {size}>{shape}</image></annotations>')
    with pytest.raises(SeglabError, match="size"):
        convert(tmp_path, out=tmp_path.with_name(f"{tmp_path.name}-out"))
