"""What labeling tools write, for formats that seglab only reads: each function writes labeled images as its tool does.

They take what `Format.write` takes. The tests of a format and those of all formats begin from them.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from seglab.formats import cityscapes
from seglab.formats.format import LabeledImage, LabelSource, outline
from seglab.formats.yolo import place_image
from seglab.geometry.polygons import join_rings, ring_area
from seglab.geometry.rle import decode, rings_to_rle, rle_to_crop
from seglab.sample import Instance

Names = Mapping[int, str]


def pixels_of(source: LabelSource) -> tuple[list[tuple[str, int]], list[str]]:
    """(class, pixels) of every instance that a format reads, and what was wrong."""
    found, messages = [], []
    for entry in source.entries:
        labeled = source.load(entry)
        found += [(source.names[each.class_id], int(mask_of(each, labeled.size).sum())) for each in labeled.instances]
        messages += [issue.message for issue in labeled.issues]
    return found, messages


def mask_of(found: Instance, size: tuple[int, int]) -> np.ndarray:
    """(height, width) bool."""
    return decode(found.rle or rings_to_rle(found.rings, *size))


def png_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png")
    return buffer.getvalue()


def save(array: np.ndarray, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(png_bytes(array))


def is_plain(found: Instance) -> bool:
    """Whether one outline without a hole says it."""
    rings = outline(found)
    return found.rle is None and len(rings) == 1 and ring_area(rings[0]) > 0


# Mask images


def write_mask_pngs(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """masks/CLASS/STEM.png beside images; an image without instances has an empty mask."""
    for labeled in images:
        place_image(labeled.file, out / "images" / labeled.name)
        for class_id, name in names.items():
            ids = np.zeros(labeled.size, np.uint8)
            own = [found for found in labeled.instances if found.class_id == class_id]
            for number, found in enumerate(own, start=1):
                ids[mask_of(found, labeled.size)] = number
            save(ids, out / "masks" / name / f"{Path(labeled.name).stem}.png")


def write_voc(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    out.mkdir(parents=True)
    rows = ["background:0,0,0::", *(f"{name}:{number},9,9::" for number, name in names.items())]
    (out / "labelmap.txt").write_text("\n".join(rows), encoding="utf-8")
    for labeled in images:
        place_image(labeled.file, out / "JPEGImages" / labeled.name)
        classes, ids = np.zeros((2, *labeled.size), np.uint8)
        for number, found in enumerate(labeled.instances, start=1):
            mask = mask_of(found, labeled.size)
            classes[mask], ids[mask] = found.class_id + 1, number
        for folder, array in (("SegmentationClass", classes), ("SegmentationObject", ids)):
            save(array, out / folder / f"{Path(labeled.name).stem}.png")


def write_cvat_masks(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """CVAT's "Segmentation mask 1.1": the same as colors, in ImageSets of the task's subset."""
    color_of = {class_id: (20 + 7 * class_id, 250 - 9 * class_id, 83) for class_id in names}
    rows = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    rows += [f"{name}:{','.join(map(str, color_of[class_id]))}::" for class_id, name in names.items()]
    sets = out / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (out / "labelmap.txt").write_text("\n".join(rows), encoding="utf-8")
    stems = []
    for labeled in images:
        place_image(labeled.file, out / "JPEGImages" / labeled.name)
        classes, ids = np.zeros((2, *labeled.size, 3), np.uint8)
        for number, found in enumerate(labeled.instances, start=1):
            mask = mask_of(found, labeled.size)
            classes[mask], ids[mask] = color_of[found.class_id], (number, 5 * (number % 2), 9)
        stems.append(Path(labeled.name).with_suffix("").as_posix())
        for folder, array in (("SegmentationClass", classes), ("SegmentationObject", ids)):
            save(array, out / folder / f"{stems[-1]}.png")
    (sets / "default.txt").write_text("\n".join(stems), encoding="utf-8")


def write_dsb2018(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    for labeled in images:
        stem = Path(labeled.name).stem
        place_image(labeled.file, out / stem / "images" / labeled.name)
        (out / stem / "masks").mkdir()
        for number, found in enumerate(labeled.instances):
            save(mask_of(found, labeled.size).astype(np.uint8) * 255, out / stem / "masks" / f"{number:08x}.png")


def write_cityscapes(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """The first classes stand for those of Cityscapes, in their order."""
    numbers = list(cityscapes.NAMES)
    for labeled in images:
        stem = Path(labeled.name).stem
        place_image(labeled.file, out / "leftImg8bit" / "train" / "town" / labeled.name)
        ids = np.full(labeled.size, 7, np.uint16)  # road
        for number, found in enumerate(labeled.instances):
            ids[mask_of(found, labeled.size)] = numbers[found.class_id % len(numbers)] * 1000 + number
        save(ids, out / "gtFine" / "train" / "town" / f"{stem}_gtFine_instanceIds.png")


def write_panoptic(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """COCO panoptic, with a category that is no thing; ids of segments need all three bytes of a color."""
    folder = out / "annotations" / "panoptic_train"
    entries, rows = [], []
    for number, labeled in enumerate(images, start=1):
        place_image(labeled.file, out / "train" / labeled.name)
        ids = np.full(labeled.size, 9 + 256 * 9, np.int64)  # sky
        segments = [{"id": 9 + 256 * 9, "category_id": 99, "iscrowd": 0}]
        for place, found in enumerate(labeled.instances, start=1):
            segment_id = place + 256 * (7 * place % 200) + 65536 * place
            ids[mask_of(found, labeled.size)] = segment_id
            segments.append({"id": segment_id, "category_id": found.class_id + 1, "iscrowd": 0})
        color = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
        file_name = f"{Path(labeled.name).stem}.png"
        save(color, folder / file_name)
        entries.append({"id": number, "file_name": labeled.name, "height": labeled.size[0], "width": labeled.size[1]})
        rows.append({"image_id": number, "file_name": file_name, "segments_info": segments})
    categories: list[dict] = [{"id": number + 1, "name": name, "isthing": 1} for number, name in names.items()]
    content = {
        "images": entries,
        "annotations": rows,
        "categories": [*categories, {"id": 99, "name": "sky", "isthing": 0}],
    }
    folder.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")


# XML


def write_object_xml(out: Path, names: Names, images: Iterable[LabeledImage], numbered: bool = True) -> None:
    """Roboflow's Pascal VOC with outlines; numbered: else the points of LabelMe. Holes are cut in, as in VIA."""
    for labeled in images:
        place_image(labeled.file, out / "train" / labeled.name)
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = labeled.name
        size = ElementTree.SubElement(root, "size" if numbered else "imagesize")
        for tag, side in zip(("height", "width") if numbered else ("nrows", "ncols"), labeled.size):
            ElementTree.SubElement(size, tag).text = str(side)
        for found in labeled.instances:
            about = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(about, "name").text = names[found.class_id]
            polygon = ElementTree.SubElement(about, "polygon")
            for number, (x, y) in enumerate(join_rings(outline(found)).tolist(), start=1):
                point = polygon if numbered else ElementTree.SubElement(polygon, "pt")
                ElementTree.SubElement(point, f"x{number}" if numbered else "x").text = repr(x)
                ElementTree.SubElement(point, f"y{number}" if numbered else "y").text = repr(y)
        place = out / "train" / Path(labeled.name).with_suffix(".xml").name
        ElementTree.ElementTree(root).write(place, encoding="utf-8")


# JSON


def write_supervisely(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """Plain instances are polygons, those with one solid ring have holes in it, all others are bitmaps."""
    for folder in ("img", "ann"):
        (out / "ds1" / folder).mkdir(parents=True)
    classes = [{"title": name, "shape": "any", "color": "#0F8A8A"} for name in names.values()]
    (out / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    for labeled in images:
        place_image(labeled.file, out / "ds1" / "img" / labeled.name)
        objects = [_supervisely_object(found, names, labeled.size) for found in labeled.instances]
        height, width = labeled.size
        content = {"description": "", "tags": [], "size": {"height": height, "width": width}, "objects": objects}
        (out / "ds1" / "ann" / f"{labeled.name}.json").write_text(json.dumps(content), encoding="utf-8")


def _supervisely_object(found: Instance, names: Names, size: tuple[int, int]) -> dict:
    rings = outline(found)
    title = {"classTitle": names[found.class_id], "tags": []}
    solid = [ring.tolist() for ring in rings if ring_area(ring) > 0]
    holes = [ring.tolist() for ring in rings if ring_area(ring) < 0]
    if found.rle is None and len(solid) == 1:
        return title | {"geometryType": "polygon", "points": {"exterior": solid[0], "interior": holes}, "bitmap": None}
    x0, y0, crop = rle_to_crop(found.rle or rings_to_rle(rings, *size))
    rgba = np.repeat(crop.astype(np.uint8)[..., None] * 255, 4, axis=2)
    data = base64.b64encode(zlib.compress(png_bytes(rgba))).decode()
    return title | {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [x0, y0]}}


def write_via(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """A project file; several rings are one polygon that goes there and back, as people draw holes in VIA."""
    metadata = {}
    for labeled in images:
        place_image(labeled.file, out / labeled.name)
        regions = [_via_region(found, names) for found in labeled.instances]
        size = (out / labeled.name).stat().st_size
        metadata[f"{labeled.name}{size}"] = {"filename": labeled.name, "size": size, "regions": regions}
    content = {"_via_settings": {}, "_via_img_metadata": metadata, "_via_attributes": {"region": {}, "file": {}}}
    (out / "via_project.json").write_text(json.dumps(content))


def _via_region(found: Instance, names: Names) -> dict:
    x, y = join_rings(outline(found)).T.tolist()
    shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    return {"shape_attributes": shape, "region_attributes": {"class": names[found.class_id]}}


def write_via_csv(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """VIA's CSV export of the same."""
    columns = "filename file_size file_attributes region_count region_id region_shape_attributes region_attributes"
    out.mkdir(parents=True)
    with open(out / "via_export_csv.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        for labeled in images:
            place_image(labeled.file, out / labeled.name)
            regions = [_via_region(found, names) for found in labeled.instances] or [{}]
            for number, region in enumerate(regions):
                shape, attributes = (json.dumps(region.get(f"{key}_attributes", {})) for key in ("shape", "region"))
                writer.writerow([labeled.name, 1, "{}", len(labeled.instances), number, shape, attributes])


def write_label_studio(out: Path, names: Names, images: Iterable[LabeledImage]) -> None:
    """Plain instances are polygons, all others are brushes; images have the names of uploads on a server."""
    tasks = []
    for number, labeled in enumerate(images, start=1):
        upload = f"1a2b3c{number:02x}-{labeled.name}"
        place_image(labeled.file, out / "images" / labeled.name)
        result = [_label_studio_result(found, names, labeled.size) for found in labeled.instances]
        annotations = [{"id": number, "was_cancelled": False, "result": result}]
        data = {"image": f"/data/upload/1/{upload}"}
        tasks.append({"id": number, "data": data, "file_upload": upload, "annotations": annotations})
    (out / "project-1-at-2026-11-30.json").write_text(json.dumps(tasks))


def _label_studio_result(found: Instance, names: Names, size: tuple[int, int]) -> dict:
    height, width = size
    label = [names[found.class_id]]
    tool = "polygon" if is_plain(found) else "brush"
    value: dict = {f"{tool}labels": label}
    if tool == "polygon":
        value |= {"points": (outline(found)[0] / (width, height) * 100).tolist(), "closed": True}
    else:
        rgba = np.repeat(mask_of(found, size).astype(np.uint8).ravel() * 255, 4)
        value |= {"format": "rle", "rle": list(pack_brush(rgba))}
    about = {"original_width": width, "original_height": height, "image_rotation": 0, "from_name": "label"}
    return about | {"id": f"r{id(found)}", "type": f"{tool}labels", "value": value}


def pack_brush(values: np.ndarray, literal: int = 3) -> bytes:
    """Label Studio's packed brush, bit by bit in text: the slow way. literal: runs of up to so many are written out."""
    lengths = (3, 4, 8, 16)
    text = f"{len(values):032b}{7:05b}" + "".join(f"{length - 1:04b}" for length in lengths)
    ends = [*(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    start = 0
    for end in ends:
        while start < end:
            run = min(end - start, 1 << lengths[-1])
            which = next(index for index, length in enumerate(lengths) if run <= 1 << length)
            value = f"{int(values[start]):08b}"
            is_repeated = run > literal
            text += f"{int(is_repeated)}{which:02b}{run - 1:0{lengths[which]}b}" + value * (1 if is_repeated else run)
            start += run
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


# Format -> what writes it as its tool does. Of some formats tools write several forms.
WRITERS: dict[str, Callable[[Path, Names, Iterable[LabeledImage]], None]] = {
    "masks": write_mask_pngs,
    "voc": write_voc,
    "dsb2018": write_dsb2018,
    "cityscapes": write_cityscapes,
    "supervisely": write_supervisely,
    "via": write_via,
    "panoptic": write_panoptic,
    "object_xml": write_object_xml,
    "label_studio": write_label_studio,
}
MORE_WRITERS = {
    "voc": write_cvat_masks,
    "via": write_via_csv,
    "object_xml": partial(write_object_xml, numbered=False),
}
CLASSES_BY_LABEL = {"labelme", "via", "label_studio", "object_xml"}  # formats that know no class without an instance
# Formats with classes of their own -> what they call the classes, in the order of their ids; the last for all others.
OWN_CLASSES = {"dsb2018": ["object"], "cityscapes": list(cityscapes.NAMES.values())}


def titles_in(form: str, names: Names) -> dict[int, str]:
    """Class id -> what a format calls the class."""
    own = OWN_CLASSES.get(form)
    return {number: own[number % len(own)] if own else name for number, name in names.items()}
