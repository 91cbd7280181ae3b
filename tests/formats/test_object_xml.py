"""XML files of objects with polygons, and what is wrong with some."""

from __future__ import annotations

import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats import object_xml

from ..sources import picture
from .writers import pixels_of

OBJECT = "<object><name>{name}</name>{rest}</object>"
SQUARE = "<polygon><x1>10</x1><y1>10</y1><x2>40</x2><y2>10</y2><x3>40</x3><y3>30</y3><x4>10</x4><y4>30</y4></polygon>"
POINTS = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((10, 10), (40, 10), (40, 30), (10, 30)))


def write(folder, *objects, head="<filename>a.jpg</filename>"):
    picture(folder / "a.jpg")
    (folder / "a.xml").write_text(f"<annotation>{head}{''.join(objects)}</annotation>")


@pytest.mark.parametrize("shape", [SQUARE, f"<polygon>{POINTS}</polygon>"])
@pytest.mark.parametrize("head", ["<filename>a.jpg</filename>", "<filename>C:\\me\\a.png</filename>", ""])
def test_both_forms_are_read_without_a_size_too(tmp_path, shape, head):
    write(tmp_path, OBJECT.format(name="cat", rest=shape), head=head)
    assert pixels_of(object_xml.read(tmp_path)) == ([("cat", 600)], [])
    assert list(load_dataset(tmp_path).names.values()) == ["cat"]


def test_points_come_in_the_order_of_their_numbers(tmp_path):
    twelve = [(10, 10), *((x, 10) for x in range(12, 32, 2)), (40, 10), (40, 30), (10, 30)]
    numbered = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in reversed(list(enumerate(twelve, 1))))
    write(tmp_path, OBJECT.format(name="cat", rest=f"<polygon>{numbered}</polygon>"))
    assert pixels_of(object_xml.read(tmp_path)) == ([("cat", 600)], [])


def test_what_cannot_be_read_is_told(tmp_path):
    write(
        tmp_path,
        OBJECT.format(name="cat", rest=SQUARE),
        OBJECT.format(name="cat", rest=SQUARE + "<deleted>1</deleted>"),
        OBJECT.format(name="dog", rest="<bndbox><xmin>1</xmin></bndbox>"),
        OBJECT.format(name="dog", rest="<polygon><x1>1</x1><y1>1</y1></polygon>"),
        OBJECT.format(name="dog", rest=SQUARE.replace(">40<", ">nan<")),
        OBJECT.format(name="dog", rest=SQUARE.replace("<y2>10</y2>", "")),
        OBJECT.format(name="", rest=SQUARE),
    )
    found, messages = pixels_of(object_xml.read(tmp_path))
    assert found == [("cat", 600)]
    assert [message.split(":")[0] for message in messages] == [
        "no outline",
        "no area",
        "damaged polygon",
        "damaged polygon",
        "no class",
    ]


def test_boxes_alone_are_no_dataset(tmp_path):
    write(tmp_path, OBJECT.format(name="dog", rest="<bndbox><xmin>1</xmin></bndbox>"))
    with pytest.raises(SeglabError, match="has boxes, which are not masks"):
        load_dataset(tmp_path)


def test_a_file_without_its_image_is_told(tmp_path):
    write(tmp_path, OBJECT.format(name="cat", rest=SQUARE))
    (tmp_path / "b.xml").write_text((tmp_path / "a.xml").read_text().replace("a.jpg", "gone.jpg"))
    found, messages = pixels_of(object_xml.read(tmp_path))
    assert found == [("cat", 600)] and messages == ["missing image: no gone.jpg"]
