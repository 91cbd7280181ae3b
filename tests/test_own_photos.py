"""Folders as people have them: read whole, or told in one sentence. One test a kind, each with inputs made here."""

import base64
import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from seglab import YOLO, SeglabError, check_dataset, convert_dataset, load_dataset
from seglab.cli import main
from seglab.config import TrainConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.holdout import hold_out, hold_out_once, with_holdout
from seglab.geometry.polygons import ring_area
from seglab.training.preparation import data_to_train_on
from seglab.widgets.images import samples

WIDTH, HEIGHT = 64, 48
SQUARE = [10, 10, 40, 10, 40, 30, 10, 30]  # 600 pixels
ROW = "0 0.15625 0.208333 0.625 0.208333 0.625 0.625 0.15625 0.625\n"


def image(path, seed=0):
    """An image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def mask(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8), mode).save(path)


def two_areas(background, first, second):
    """(h, w) or (h, w, c): 600 pixels of one value, 225 of another."""
    pixels = np.empty((HEIGHT, WIDTH, *np.shape(background)), dtype=np.uint8)
    pixels[:] = background
    pixels[10:30, 10:40] = first
    pixels[5:20, 45:60] = second
    return pixels


def areas(spec, split="train"):
    """(class name, pixels) of every instance that training sees, sorted."""
    data = SegmentationDataset(spec, split, 64)
    found = [instance for index in range(len(data)) for instance in data.sample(index).instances if not instance.crowd]
    sizes = [round(sum(map(ring_area, one.rings))) for one in found]
    return sorted((spec.names[one.class_id], size) for one, size in zip(found, sizes))


def annotation(number, image_id, **changes):
    return {"id": number, "image_id": image_id, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0} | changes


def coco(path, names, annotations, width=WIDTH, height=HEIGHT):
    images = [{"id": n, "file_name": name, "width": width, "height": height} for n, name in enumerate(names, 1)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_a_folder_around_the_dataset_keeps_the_names_of_its_classes(tmp_path):
    inside = tmp_path / "download" / "Kühe [2024]"
    image(inside / "images" / "train" / "a [1].jpg")
    text(inside / "labels" / "train" / "a [1].txt", ROW)
    text(inside / "data.yaml", "train: images/train\nnames: [Kuh]\n")
    assert areas(load_dataset(tmp_path / "download")) == [("Kuh", 600)]
    assert convert_dataset(tmp_path / "download", out=tmp_path / "out").instances_written == 1


@pytest.mark.parametrize("place", ["/content/drive/MyDrive/set/", "C:\\Users\\me\\set\\", "/kaggle/input/set/"])
def test_paths_of_another_machine_are_found_beside_the_yaml_and_said(tmp_path, place):
    for seed, split in enumerate(("train", "val")):
        image(tmp_path / split / "images" / "a.jpg", seed)
        text(tmp_path / split / "labels" / "a.txt", ROW)
    text(tmp_path / "data.yaml", f"train: {place}train/images\nval: {place}val/images\nnames: {{'0': cat}}\n")
    spec = load_dataset(tmp_path)
    assert areas(spec, "train") == areas(spec, "val") == [("cat", 600)]
    assert spec.splits["train"] != spec.splits["val"]
    assert sum("not on this machine" in issue.message for issue in spec.issues) == 2


def test_folders_of_another_machine_with_one_name_are_not_confused(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    text(tmp_path / "labels" / "a.txt", ROW)
    text(tmp_path / "data.yaml", "train: /far/train/images\nval: /far/val/images\nnames: [cat]\n")
    with pytest.raises(SeglabError, match="no '/far/train/images', '/far/val/images' under"):
        load_dataset(tmp_path)


def test_a_conversion_counts_every_image_once(tmp_path):
    for seed, name in enumerate("ab"):
        image(tmp_path / "set" / "images" / f"{name}.jpg", seed)
        text(tmp_path / "set" / "labels" / f"{name}.txt", ROW)
    text(tmp_path / "set" / "classes.txt", "cat\n")
    report = convert_dataset(tmp_path / "set", out=tmp_path / "out")
    assert (report.images, report.images_written) == (2, 2)
    assert len(list((tmp_path / "out" / "images").rglob("*.jpg"))) == 2


@pytest.mark.parametrize("to", ["yolo", "coco"])
def test_annotations_of_a_missing_image_are_lost_in_every_conversion(tmp_path, to):
    image(tmp_path / "set" / "a.jpg")
    rows = [annotation(1, 1), annotation(2, 2), annotation(3, 2), annotation(4, 99)]
    coco(tmp_path / "set" / "result.json", ["a.jpg", "gone.jpg"], rows)
    report = convert_dataset(tmp_path / "set", out=tmp_path / ("out.json" if to == "coco" else "out"), to=to)
    assert (report.instances, report.instances_written, report.lost) == (4, 1, 3)
    assert report.worst == 0, "strict has to stop here"


def labelme(path, name, data=None):
    shape = {"label": "cat", "points": np.reshape(SQUARE, (-1, 2)).tolist(), "shape_type": "polygon", "group_id": None}
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    text(path, json.dumps({"version": "5", "shapes": [shape], "imagePath": name, "imageData": data} | size))


def test_a_missing_image_of_a_labeling_tool_is_told_by_check_and_lost_in_conversion(tmp_path):
    image(tmp_path / "set" / "a.jpg")
    for name in "ab":
        labelme(tmp_path / "set" / f"{name}.json", f"{name}.jpg")
    assert any("missing image" in issue.message for issue in check_dataset(tmp_path / "set", out=None).issues)
    for to, out in (("yolo", "out"), ("coco", "out.json")):
        report = convert_dataset(tmp_path / "set", out=tmp_path / out, to=to)
        assert (report.instances_written, report.lost) == (1, 1), to


def test_images_inside_label_files_are_converted_and_training_says_so(tmp_path):
    image(tmp_path / "a.png")
    data = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    labelme(tmp_path / "set" / "a.json", "a.png", data)
    with pytest.raises(SeglabError, match="seglab convert source="):
        load_dataset(tmp_path / "set").images("train")
    with pytest.raises(SeglabError, match="seglab convert source="):
        convert_dataset(tmp_path / "set", out=tmp_path / "out.json", to="coco")
    assert convert_dataset(tmp_path / "set", out=tmp_path / "out").instances_back == 1


def test_coordinates_in_fractions_are_told_in_a_coco_json(tmp_path):
    image(tmp_path / "a.jpg")
    fractions = (np.array(SQUARE) / ([WIDTH, HEIGHT] * 4)).tolist()
    coco(tmp_path / "result.json", ["a.jpg"], [annotation(1, 1, segmentation=[fractions])])
    issues = check_dataset(tmp_path, out=None).issues
    assert any("fractions of the size" in issue.message and "multiply" in issue.message for issue in issues)


def test_a_swapped_size_is_told_of_an_image_without_annotations(tmp_path):
    image(tmp_path / "a.jpg")
    image(tmp_path / "b.jpg", 1)
    coco(tmp_path / "result.json", ["a.jpg", "b.jpg"], [annotation(1, 1)])
    content = json.loads((tmp_path / "result.json").read_text())
    content["images"][1] |= {"width": HEIGHT, "height": WIDTH}
    (tmp_path / "result.json").write_text(json.dumps(content))
    (issue,) = check_dataset(tmp_path, out=None).issues
    assert "swapped" in issue.message and "b.jpg" in issue.path


def test_many_crowds_beside_instances_are_told_with_the_way_to_use_them(tmp_path):
    image(tmp_path / "set" / "a.jpg")
    painted = {"size": [HEIGHT, WIDTH], "counts": [500, 300, HEIGHT * WIDTH - 800]}
    rows = [annotation(1, 1), annotation(2, 1, segmentation=painted, iscrowd=1)]
    coco(tmp_path / "set" / "instances_default.json", ["a.jpg"], rows)
    (issue,) = check_dataset(tmp_path / "set", out=None).issues
    assert "1 of 2" in issue.message and "set their iscrowd to 0" in issue.action
    report = convert_dataset(tmp_path / "set", out=tmp_path / "out")
    assert any("set their iscrowd to 0" in issue.action for issue in report.issues)


def test_masks_of_a_folder_beside_that_of_the_images(tmp_path):
    for seed, (split, name) in enumerate((("train", "a_01"), ("val", "b_01"))):
        image(tmp_path / split / f"{name}.jpg", seed)
        pixels = Image.fromarray(two_areas(0, 255, 0))
        (tmp_path / f"{split}_masks").mkdir()
        pixels.convert("1").save(tmp_path / f"{split}_masks" / f"{name}_mask.gif")
    spec = load_dataset(tmp_path)
    assert areas(spec, "train") == areas(spec, "val") == [("object", 600)]


def test_masks_beside_their_images_in_folders_of_classes(tmp_path):
    for seed, kind in enumerate(("benign", "malignant")):
        image(tmp_path / kind / f"{kind} (1).png", seed)
        mask(tmp_path / kind / f"{kind} (1)_mask.png", two_areas(0, 255, 0))
    mask(tmp_path / "benign" / "benign (1)_mask_1.png", two_areas(0, 0, 255))
    assert areas(load_dataset(tmp_path)) == [("benign", 225), ("benign", 600), ("malignant", 600)]


def test_a_white_background_is_no_instance(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    mask(tmp_path / "masks" / "a.png", two_areas((255, 255, 255), (255, 0, 0), (0, 0, 255)))
    spec = load_dataset(tmp_path)
    assert areas(spec) == [("object", 225), ("object", 600)]
    assert any("black is not the background" in issue.message for issue in spec.issues)


@pytest.mark.parametrize("white", [255, (255, 255, 255)])
def test_black_instances_on_white_are_instances(tmp_path, white):
    black = 0 if white == 255 else (0, 0, 0)
    for name in "ab":
        image(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "masks" / f"{name}.png", two_areas(white, black, black))
    spec = load_dataset(tmp_path)
    assert areas(spec) == [("object", 225)] * 2 + [("object", 600)] * 2
    assert any("black is not the background" in issue.message for issue in spec.issues)
    image(tmp_path / "images" / "c.jpg")
    mask(tmp_path / "masks" / "c.png", two_areas(black, white, white))
    assert not any("black is not the background" in issue.message for issue in load_dataset(tmp_path).issues)


def test_black_instances_on_white_are_instances_in_files_of_their_own(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    mask(tmp_path / "masks" / "a_cat_1.png", two_areas(255, 0, 255))
    mask(tmp_path / "masks" / "a_cat_2.png", two_areas(255, 255, 0))
    assert areas(load_dataset(tmp_path)) == [("cat", 225), ("cat", 600)]
    mask(tmp_path / "masks" / "a_cat_1.png", np.full((HEIGHT, WIDTH), 255))  # an instance may fill its image
    (tmp_path / "masks" / "a_cat_2.png").unlink()
    assert areas(load_dataset(tmp_path)) == [("cat", WIDTH * HEIGHT)]


def test_masks_without_a_background_keep_every_number(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    mask(tmp_path / "masks" / "a.png", two_areas(1, 2, 3))
    assert len(areas(load_dataset(tmp_path))) == 3


@pytest.mark.parametrize("color", [(0, 0, 0), (200, 30, 30)])
def test_one_color_on_transparent_ground_is_a_mask_of_regions(tmp_path, color):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", two_areas((0, 0, 0, 0), (*color, 255), (*color, 255)))
    spec = load_dataset(tmp_path)
    assert areas(spec) == [("object", 225), ("object", 600)]
    assert any("components" in issue.action for issue in spec.issues)


def test_a_color_of_a_labelmap_is_no_index_and_blue_is_no_border(tmp_path):
    image(tmp_path / "JPEGImages" / "a.jpg")
    image(tmp_path / "JPEGImages" / "b.jpg", 1)
    text(tmp_path / "labelmap.txt", "background:0,0,0::\ncat:0,0,2::\ndog:0,0,255::\n")
    mask(tmp_path / "SegmentationClass" / "a.png", two_areas((0, 0, 0), (0, 0, 2), (0, 0, 255)))
    indexes = Image.fromarray(two_areas(0, 1, 2))
    indexes.putpalette([0, 0, 0, 0, 0, 2, 0, 0, 255])
    indexes.save(tmp_path / "SegmentationClass" / "b.png")
    assert areas(load_dataset(tmp_path)) == [("cat", 600), ("cat", 600), ("dog", 225), ("dog", 225)]


@pytest.mark.parametrize(
    "photo, name, content, said",
    [
        ("a.png", "a.txt", "cat 0.1 0.1 0.5 0.1 0.5 0.5\n", "not a row of labels: write 'class x1 y1"),
        ("a.png", "a.xml", "<annotation><object><bndbox></bndbox></object></annotation>", "boxes, which are not masks"),
        ("a.png", "train.csv", "id,rle\na,1 20\n", "table, which is not read: write its masks"),
        ("images/a.jpg", "1", '{"id": 1, "result": [], "task": {"id": 1}}', "Label Studio's cloud or local storage"),
        ("images/a.jpg", "result.json.gz", "x", "gunzip"),
        ("images/a.jpg", "coco.json", '{"images": {}, "annotations": {}, "categories": []}', "COCO's names"),
    ],
)
def test_labels_that_cannot_be_used_are_named_with_the_remedy(tmp_path, photo, name, content, said):
    image(tmp_path / photo)
    text(tmp_path / name, content)
    with pytest.raises(SeglabError, match=said) as told:
        load_dataset(tmp_path)
    assert str(tmp_path / name) in str(told.value)


def test_photos_are_no_masks_whatever_they_are_called(tmp_path):
    image(tmp_path / "car.jpg")
    image(tmp_path / "car gt.jpg", 1)
    with pytest.raises(SeglabError, match="no labels for them"):
        load_dataset(tmp_path)


def test_the_rest_of_a_name_is_no_class_where_colors_are(tmp_path):
    text(tmp_path / "class_dict.csv", "name,r,g,b\nVoid,0,0,0\nCar,64,0,128\nTree,128,128,0\n")
    for seed, split in enumerate(("train", "val")):
        image(tmp_path / split / "0001TP.png", seed)
        pixels = two_areas((0, 0, 0), (64, 0, 128), (128, 128, 0))
        mask(tmp_path / f"{split}_labels" / "0001TP_L.png", pixels)
    spec = load_dataset(tmp_path)
    assert areas(spec, "train") == areas(spec, "val") == [("Car", 600), ("Tree", 225)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_texts_are_read_in_any_encoding(tmp_path, encoding):
    """The YAML, rows of labels and the list of classes alike."""
    image(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text(ROW, encoding=encoding)
    (tmp_path / "classes.txt").write_text("Kühe\n", encoding=encoding)
    assert areas(load_dataset(tmp_path)) == [("Kühe", 600)]
    (tmp_path / "data.yaml").write_text("train: .\nnames: [Straße]\n", encoding=encoding)
    assert areas(load_dataset(tmp_path)) == [("Straße", 600)]


LABELME = {"version": "5.0.0", "flags": {}, "imagePath": "a.png", "imageData": None}
SHAPE = {"label": "cat", "points": np.reshape(SQUARE, (-1, 2)).tolist(), "shape_type": "polygon"}


def outlined(path, shapes=(SHAPE,), **more):
    content = LABELME | {"imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": list(shapes)} | more
    text(path, json.dumps(content))


@pytest.mark.parametrize("label", ["", None, "  "])
def test_a_shape_without_a_label_is_no_class(tmp_path, label):
    image(tmp_path / "a.png")
    outlined(tmp_path / "a.json", [SHAPE, SHAPE | {"label": label}])
    assert areas(load_dataset(tmp_path)) == [("cat", 600)]
    assert "no class: the shape has no label" in str(check_dataset(tmp_path, out=None))
    report = convert_dataset(tmp_path, out=tmp_path / "out")
    assert (report.instances_back, report.lost) == (1, 1)


@pytest.mark.parametrize("name", ["", None, " "])
def test_a_category_without_a_name_is_called_by_its_id(tmp_path, name):
    image(tmp_path / "a.png")
    coco(tmp_path / "a.json", ["a.png"], [annotation(1, 1)])
    content = json.loads((tmp_path / "a.json").read_text())
    content["categories"][0]["name"] = name
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert areas(load_dataset(tmp_path)) == [("category 1", 600)]
    for report in (check_dataset(tmp_path, out=None), convert_dataset(tmp_path, out=tmp_path / "out")):
        assert "categories without a name: of the ids 1" in str(report)
    assert areas(load_dataset(tmp_path / "out")) == [("category 1", 600)]


@pytest.mark.parametrize("layout", ["coco", "labelme"])
@pytest.mark.parametrize("to", ["yolo", "coco", "labelme"])
def test_an_image_of_another_size_than_its_labels_is_left_out_everywhere(tmp_path, layout, to):
    """It would be background, instances and all."""
    source = tmp_path / "source"
    image(source / "a.png")
    image(source / "b.png", 1)
    if layout == "coco":
        coco(source / "labels.json", ["a.png", "b.png"], [annotation(1, 1), annotation(2, 2)])
        content = json.loads((source / "labels.json").read_text())
        content["images"][1] |= {"width": 128, "height": 96}
        (source / "labels.json").write_text(json.dumps(content))
    else:
        outlined(source / "a.json")
        outlined(source / "b.json", imagePath="b.png", imageWidth=128, imageHeight=96)
    data = SegmentationDataset(load_dataset(source), "train", 64)
    assert [path.name for path in data.images] == ["a.png"]
    report = convert_dataset(source, out=tmp_path / ("out.json" if to == "coco" else "out"), to=to)
    assert (report.images_written, report.instances_written, report.lost) == (1, 1, 1)
    for told in (report, check_dataset(source, out=None)):
        assert "another size than in the labels: they say 128 x 96, the file has 64 x 48" in str(told)


def test_labels_drawn_on_the_pixels_as_stored_are_turned_with_the_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    tmp_path.joinpath("s").mkdir()
    Image.fromarray(pixels).save(tmp_path / "s/a.png", exif=exif)
    outlined(tmp_path / "s/a.json")
    data = SegmentationDataset(load_dataset(tmp_path / "s"), "train", 64)
    (found,) = data.instances(0)
    assert data.image_sizes == [(WIDTH, HEIGHT)]
    np.testing.assert_allclose([found.rings[0].min(axis=0), found.rings[0].max(axis=0)], [[18, 10], [38, 40]])
    report = convert_dataset(tmp_path / "s", out=tmp_path / "out", strict=1.0)
    assert report.passed and "EXIF orientation 6" in str(report)
    again = SegmentationDataset(load_dataset(tmp_path / "out"), "train", 64).instances(0)[0]
    np.testing.assert_allclose(again.rings[0].max(axis=0), [38, 40], atol=1e-6)


def test_what_cannot_be_converted_is_told_in_one_sentence(tmp_path):
    image(tmp_path / "a.png")
    coco(tmp_path / "a.json", ["a.png"], [annotation(1, 1, segmentation=[])])
    with pytest.raises(SeglabError, match=r"no instance of .* could be converted \(no outline") as caught:
        convert_dataset(tmp_path, out=tmp_path / "out")
    assert "\n" not in str(caught.value) and "seglab check data=" in str(caught.value)


def test_training_and_validation_take_instances_of_mask_images_too(tmp_path, capsys):
    image(tmp_path / "images/a.png")
    mask(tmp_path / "masks/a.png", two_areas(0, 255, 255))
    counts = {"components": "2 instances", "values": "1 instance"}
    for by, counted in counts.items():
        spec = data_to_train_on(tmp_path, TrainConfig(instances=by, holdout=0))
        assert len(areas(spec)) == int(counted[0])
        YOLO("toybox-n").val(data=str(tmp_path), split="train", instances=by, imgsz=64, workers=0, single_cls=True)
        assert f"train: 1 image, {counted} of 1 class" in capsys.readouterr().out


@pytest.mark.parametrize("folders", [("images", "annotations"), ("image", "label"), ("img", "txt"), ("photos", "gt")])
def test_label_folders_have_many_names(tmp_path, folders):
    image(tmp_path / folders[0] / "a.jpg")
    text(tmp_path / folders[1] / "a.txt", ROW)
    assert areas(load_dataset(tmp_path)) == [("class 0", 600)]


@pytest.mark.parametrize("folders", [("image", "label"), ("photos", "masks"), ("imgs", "Ground_Truth"), ("x", "gt")])
@pytest.mark.parametrize("splits", [False, True])
def test_mask_folders_have_many_names_and_lie_in_folders_of_splits(tmp_path, folders, splits):
    for seed, split in enumerate(("train", "val") if splits else (".",)):
        for number in range(2):
            image(tmp_path / split / folders[0] / f"{split}{number}.jpg", 10 * seed + number)
            mask(tmp_path / split / folders[1] / f"{split}{number}.png", two_areas(0, 1, 2))
    spec = load_dataset(tmp_path)
    assert list(spec.splits) == (["train", "val"] if splits else ["train"])
    for split in spec.splits:
        assert areas(spec, split) == [("object", 225)] * 2 + [("object", 600)] * 2


@pytest.mark.parametrize(("separator", "point"), [(",", "."), (";", "."), (";", ","), ("\t", "."), (" ; ", ",")])
def test_numbers_may_be_separated_by_other_marks(tmp_path, separator, point):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.txt", ROW.strip().replace(".", point).replace(" ", separator) + "\r\n")
    assert areas(load_dataset(tmp_path)) == [("class 0", 600)]


@pytest.mark.parametrize("wrong", [("}]}", "}],}"), ('"images": [', '"images": [,'), ("}]", "},]"), (", ", " ")])
def test_a_json_that_is_none_is_refused_by_training_and_conversion_alike(tmp_path, wrong):
    image(tmp_path / "a.png")
    coco(tmp_path / "a.json", ["a.png"], [annotation(1, 1)])
    sound = (tmp_path / "a.json").read_text()
    assert wrong[0] in sound
    (tmp_path / "a.json").write_text(sound.replace(*wrong, 1))
    with pytest.raises(SeglabError, match=r"a\.json is (damaged|not a JSON)"):
        load_dataset(tmp_path / "a.json")
    with pytest.raises(SeglabError, match=r"a\.json is (damaged|not a JSON)"):
        convert_dataset(tmp_path / "a.json", out=tmp_path / "out")


def test_images_that_a_json_names_by_their_address_alone(tmp_path):
    """As LVIS does."""
    image(tmp_path / "train2017/000000000001.jpg")
    coco(tmp_path / "lvis_v1_train.json", [""], [annotation(1, 1)])
    content = json.loads((tmp_path / "lvis_v1_train.json").read_text())
    del content["images"][0]["file_name"]
    content["images"][0]["coco_url"] = "http://images.cocodataset.org/train2017/000000000001.jpg"
    (tmp_path / "lvis_v1_train.json").write_text(json.dumps(content))
    assert areas(load_dataset(tmp_path)) == [("cat", 600)]
    assert convert_dataset(tmp_path, out=tmp_path / "out", strict=1.0).instances_back == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{"image": "a.jpg", "marks": []}', "not from a labeling tool that seglab knows, with image, marks"),
        ("a.jsonl", '{"a": 1}\n{"b": 2}\n', "not from a labeling tool that seglab knows"),
        ("a.json", '[{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]', "but no labeled image"),
    ],
)
def test_a_json_that_is_no_labels_is_named(tmp_path, name, content, said):
    image(tmp_path / "a.jpg")
    text(tmp_path / name, content)
    with pytest.raises(SeglabError, match=said):
        load_dataset(tmp_path)


def test_the_stages_of_the_data_science_bowl_are_splits(tmp_path):
    for seed, stage in enumerate(("stage1_train", "stage1_test")):
        image(tmp_path / stage / f"x{seed}" / "images" / f"x{seed}.png", seed)
        mask(tmp_path / stage / f"x{seed}" / "masks" / "1.png", two_areas(0, 255, 0))
    assert list(load_dataset(tmp_path).splits) == ["train", "test"]


def test_images_that_no_label_is_of_are_told_by_check(tmp_path):
    for seed, name in enumerate("abc"):
        image(tmp_path / "coco" / f"{name}.png", seed)
        image(tmp_path / "masks" / "images" / f"{name}.png", seed)
    coco(tmp_path / "coco/labels.json", ["a.png"], [annotation(1, 1)])
    mask(tmp_path / "masks/masks/a.png", two_areas(0, 1, 2))
    for folder in ("coco", "masks"):
        (told,) = [issue for issue in check_dataset(tmp_path / folder, out=None).issues if "not read" in issue.message]
        assert told.message.startswith("images that are not read: 2, as ") and told.is_note
    mask(tmp_path / "masks/images/b_mask.png", two_areas(0, 1, 2))  # a mask beside its image is read
    beside = check_dataset(tmp_path / "masks/images", out=None)
    assert "images that are not read: 2" in str(beside)


def test_where_no_image_can_be_read_the_message_says_why(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.full((HEIGHT, WIDTH), 4000, np.uint16)).save(tmp_path / "images/a.png")
    text(tmp_path / "labels/a.txt", ROW)
    with pytest.raises(SeglabError, match=r"none of the 1 images of train .*pass range=4095"):
        SegmentationDataset(load_dataset(tmp_path), "train", 64)


# Paths


def yolo(folder):
    image(folder / "images/a.jpg")
    text(folder / "labels/a.txt", ROW)
    text(folder / "data.yaml", "train: images\nnames: [cat]\n")
    return folder


def test_the_home_folder_and_links_are_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    yolo(tmp_path / "real")
    text(tmp_path / "other.yaml", "path: ~/real\ntrain: images\nnames: [cat]\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "set/labels").mkdir(parents=True)
    (tmp_path / "set/images").symlink_to(tmp_path / "real/images")
    (tmp_path / "set/labels/a.txt").symlink_to(tmp_path / "real/labels/a.txt")
    for source in ("~/real", "~/other.yaml", tmp_path / "link", tmp_path / "link/data.yaml", tmp_path / "set"):
        assert [size for _, size in areas(load_dataset(source))] == [600], source
    report = convert_dataset("~/real", out="~/out", images="~/real/images")
    assert report.instances_back == 1 and (tmp_path / "out/out.yaml").is_file()
    assert check_dataset("~/real", out="~/sheets").sheet == tmp_path / "sheets/data.jpg"


def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path, monkeypatch):
    """Root may write anywhere, so the system's answer is put in place of it."""
    yolo(tmp_path / "set")
    image(tmp_path / "set/images/b.jpg", 7)
    text(tmp_path / "set/labels/b.txt", ROW)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/disc/out")

    with monkeypatch.context() as patch:
        patch.setattr("seglab.files.Path.mkdir", refuse)
        with pytest.raises(SeglabError, match=r"cannot write to /disc/out \(Permission denied\): choose an out="):
            convert_dataset(tmp_path / "set", out=tmp_path / "out")
    monkeypatch.setattr("seglab.datasets.split_file.atomic_write", refuse)
    with pytest.raises(SeglabError, match=r"cannot be written .*seglab split data=.* out=my-split\.yaml"):
        with_holdout(load_dataset(tmp_path / "set"), 0.5, None, 0)


def test_check_names_labels_without_images_shared_ones_and_what_nothing_reads(tmp_path):
    yolo(tmp_path / "set")
    image(tmp_path / "set/images/a.png", 3)
    text(tmp_path / "set/labels/lost.txt", ROW)
    text(tmp_path / "set/images/a.psd", "8BPS")
    told = str(check_dataset(tmp_path / "set", out=None))
    assert "labels/lost.txt  a label file without an image -> not read; restore its image as lost.jpg" in told
    assert "one label file for several images: a.jpg and a.png -> all have its instances; name the files" in told
    assert "files among the images that are not read: 1 .psd file -> left out; save them as PNG or JPEG" in told


def test_the_split_of_the_command_line_is_found_by_every_verb(tmp_path, capsys):
    for seed, name in enumerate(("cat", "dog", "cow", "hen", "pig")):
        image(tmp_path / "set" / f"{name}.jpg", seed)
        text(tmp_path / "set" / f"{name}.txt", ROW)
    assert main(["split", f"data={tmp_path / 'set'}", "holdout=0.4", "test=0.2", "seed=3"]) == 0
    out = capsys.readouterr().out
    assert f"saved to {tmp_path / 'set/seglab-split.yaml'}\nnext: seglab train data={tmp_path / 'set'}" in out
    splits = load_dataset(tmp_path / "set").splits
    assert {split: len(images) for split, images in splits.items()} == {"train": 2, "val": 2, "test": 1}
    assert main(["split", f"data={tmp_path / 'set'}", "holdout=0.4", "test=0.2"]) == 0, "kept as it is"
    assert main(["split", f"data={tmp_path / 'set'}", "holdout=0.2"]) != 0
    assert "already holds out 0.4 for val and 0.2 for test" in capsys.readouterr().err
    assert load_dataset(tmp_path / "set").splits == splits
    report = convert_dataset(tmp_path / "set", out=tmp_path / "out")
    assert report.instances_back == 5 and list(load_dataset(tmp_path / "out").splits) == ["train", "val", "test"]


# YOLO folders as tools leave them


def yolo_pairs(folder, stems="abc"):
    """images/a.jpg with labels/a.txt, and so on."""
    for seed, stem in enumerate(stems):
        image(folder / "images" / f"{stem}.jpg", seed)
        text(folder / "labels" / f"{stem}.txt", ROW)


def test_splits_may_be_called_in_words_of_their_own(tmp_path):
    """CVAT calls them as the subsets of its project."""
    yolo_pairs(tmp_path)
    text(tmp_path / "Train.txt", "data/images/a.jpg\ndata/images/b.jpg\n")
    text(tmp_path / "Validation.txt", "data/images/c.jpg\n")
    text(tmp_path / "data.yaml", "Train: Train.txt\nValidation: Validation.txt\npath: .\nnames:\n  0: cat\n")
    spec = load_dataset(tmp_path)
    assert {split: len(images) for split, images in spec.splits.items()} == {"train": 2, "val": 1}
    assert areas(spec, "val") == [("cat", 600)]


def test_a_yaml_names_parent_folders_of_which_only_one_was_exported(tmp_path):
    """Roboflow's YAML names train, valid and test whatever a version has."""
    yolo_pairs(tmp_path / "train")
    text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat]\n")
    assert areas(load_dataset(tmp_path)) == [("cat", 600)] * 3
    assert len(with_holdout(load_dataset(tmp_path), 0.4, None, 0).images("val")) == 1


@pytest.mark.parametrize("point", ["", "train.txt"])
def test_lists_of_images_are_splits_without_a_yaml(tmp_path, point):
    yolo_pairs(tmp_path)
    text(tmp_path / "train.txt", "images/a.jpg\n./images/b.jpg\n")
    text(tmp_path / "val.txt", "C:\\me\\set\\images\\c.jpg\n")
    text(tmp_path / "voc.names", "cat\n")
    spec = load_dataset(tmp_path / point)
    assert {split: len(images) for split, images in spec.splits.items()} == {"train": 2, "val": 1}
    assert areas(spec) == [("cat", 600)] * 2


def test_a_list_of_any_name_is_what_to_train_on(tmp_path):
    yolo_pairs(tmp_path)
    text(tmp_path / "mine.txt", "images/a.jpg\n")
    assert areas(load_dataset(tmp_path / "mine.txt")) == [("class 0", 600)]


def test_the_folder_of_images_has_the_class_names_of_the_yaml_above(tmp_path):
    yolo_pairs(tmp_path)
    text(tmp_path / "data.yaml", "train: images\nval: images\nnames: [cat]\n")
    assert areas(load_dataset(tmp_path / "images")) == [("cat", 600)] * 3


def test_an_export_without_images_is_told_and_goes_with_the_folder_of_the_images(tmp_path):
    """CVAT leaves the images out unless it is told to save them."""
    for seed, stem in enumerate("abc"):
        image(tmp_path / "photos" / f"{stem}.jpg", seed)
        text(tmp_path / "export" / "labels" / "train" / f"{stem}.txt", ROW)
    text(tmp_path / "export" / "train.txt", "".join(f"data/images/train/{stem}.jpg\n" for stem in "abc"))
    text(tmp_path / "export" / "data.yaml", "path: .\ntrain: train.txt\nnames: [cat]\n")
    with pytest.raises(SeglabError, match=r"none of the 3 images of train .* exists.*as data=.*as labels="):
        areas(load_dataset(tmp_path / "export"))
    assert "none of the 3 images" in str(check_dataset(tmp_path / "export", None))
    assert areas(load_dataset(tmp_path / "photos", labels=tmp_path / "export")) == [("cat", 600)] * 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("export.zip", "is an archive: unpack it, e.g. with `unzip .*export.zip -d export`, and use export"),
        ("masks.npy", "is an array, which is not read: write its masks as images"),
        ("train.csv", "is a table, which is not read"),
        ("release.ndjson", "is not from a labeling tool that seglab knows: export COCO JSON"),
        ("a.geojson", "is not from a labeling tool that seglab knows: export COCO JSON"),
        ("a.xml", "is not from a labeling tool that seglab knows: export COCO JSON"),
        ("b.NEF", "is a camera raw file, which is not read: export it as JPEG or PNG"),
        ("b.svg", "is not an image of pixels: export it as PNG"),
        ("best.pt", "is a file of weights: pass it as model="),
    ],
)
def test_what_is_not_read_is_named_in_a_folder_and_alone(tmp_path, name, said):
    image(tmp_path / "a.jpg")
    text(tmp_path / name, "1;2\n")
    for source in (tmp_path, tmp_path / name):
        with pytest.raises(SeglabError, match=said):
            load_dataset(source)


def test_a_file_that_is_no_dataset_is_said_to_be_what_it_is(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "notes.md", "hello: there\n")
    with pytest.raises(SeglabError, match="is an image: give the folder that contains the images and their labels"):
        load_dataset(tmp_path / "a.jpg")
    with pytest.raises(SeglabError, match="is not in a format that seglab reads"):
        load_dataset(tmp_path / "notes.md")


def test_a_list_in_a_file_called_like_coco_is_not_damaged(tmp_path):
    """Roboflow's CreateML export: boxes in a list."""
    image(tmp_path / "train" / "a.jpg")
    text(tmp_path / "train" / "_annotations.createml.json", '[{"image": "a.jpg", "annotations": []}]')
    with pytest.raises(SeglabError, match="is not from a labeling tool that seglab knows: export COCO JSON"):
        load_dataset(tmp_path)


# Mask images as data sets have them


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("PNGImages/a.png", "PedMasks/a_mask.png"),
        ("photos/a.png", "my drawings/a.png"),
        ("A1/a_rgb.png", "A1/a_label.png"),
        ("a.png", "a_cp_masks.png"),
        ("JPEGImages/480p/bear/00000.png", "Annotations/480p/bear/00000.png"),
        ("set [1] 100%/images/a.png", "set [1] 100%/masks/a.png"),
    ],
)
def test_masks_are_found_by_what_is_in_them(tmp_path, images, masks):
    image(tmp_path / images)
    mask(tmp_path / masks, two_areas(0, 1, 2))
    assert [size for _, size in areas(load_dataset(tmp_path))] == [225, 600]


def test_equal_names_in_folders_of_masks_and_images_belong_together(tmp_path):
    for seed, day in enumerate(("day1", "day2")):
        image(tmp_path / "images" / day / "001.png", seed)
        mask(tmp_path / "masks" / day / "001.png", two_areas(0, 1, 2 * (1 - seed)))
    assert areas(load_dataset(tmp_path)) == [("day1", 225), ("day1", 600), ("day2", 600)]


@pytest.mark.parametrize(
    ("name", "rows", "values"),
    [
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n2, dog\n", (0, 1, 2)),
        ("classes.txt", "cat\ndog\n", (0, 1, 2)),
        ("classes.txt", "background\ncat\ndog\n", (0, 1, 2)),
        (
            "label_colors.txt",
            "0 0 0 background\n250 50 83 cat\n51 221 255 dog\n",
            ([0] * 3, [250, 50, 83], [51, 221, 255]),
        ),
    ],
)
def test_values_are_classes_where_a_list_says_so(tmp_path, name, rows, values):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", two_areas(*values))
    text(tmp_path / "masks" / name, rows)
    spec = load_dataset(tmp_path)
    assert areas(spec) == [("cat", 600), ("dog", 225)]
    assert "colors are classes" in spec.issues[0].message


def test_pixels_of_no_class_are_no_instance(tmp_path):
    image(tmp_path / "images" / "a.png")
    pixels = two_areas(0, 1, 2)
    pixels[40:] = 255
    mask(tmp_path / "masks" / "a.png", pixels)
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert areas(load_dataset(tmp_path)) == [("cat", 600), ("dog", 225)]


def test_numbers_of_more_instances_than_classes_stay_instances(tmp_path):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", two_areas(0, 7, 9))
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert areas(load_dataset(tmp_path)) == [("object", 225), ("object", 600)]


def test_doubtful_values_are_told(tmp_path):
    """Classes without a list of names, and a trimap, which has no background."""
    for seed, stem in enumerate("ab"):
        image(tmp_path / "classes" / "images" / f"{stem}.png", seed)
        pixels = two_areas(0, 1, 1)
        pixels[40:, :10] = pixels[40:, 20:30] = 2
        mask(tmp_path / "classes" / "masks" / f"{stem}.png", pixels)
        image(tmp_path / "trimap" / "images" / f"{stem}.png", seed)
        mask(tmp_path / "trimap" / "masks" / f"{stem}.png", two_areas(2, 1, 3))
    assert "values look like classes" in str(check_dataset(tmp_path / "classes", None))
    assert "no background: no mask has the value 0" in str(check_dataset(tmp_path / "trimap", None))
    spec = load_dataset(tmp_path / "classes", instances="components")
    assert sorted(size for _, size in areas(spec)) == [80, 80, 80, 80, 225, 225, 600, 600] and not spec.issues


@pytest.mark.parametrize("png", ["", "PNG"])
def test_labelme2voc_names_its_classes_in_a_file_of_its_own(tmp_path, png):
    image(tmp_path / "JPEGImages" / "a.jpg")
    mask(tmp_path / f"SegmentationClass{png}" / "a.png", two_areas(0, 1, 2))
    mask(tmp_path / f"SegmentationObject{png}" / "a.png", two_areas(0, 1, 2))
    (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
    np.save(tmp_path / "SegmentationClass" / "a.npy", two_areas(0, 1, 2))
    text(tmp_path / "class_names.txt", "__ignore__\n_background_\ncat\ndog")
    assert areas(load_dataset(tmp_path)) == [("cat", 600), ("dog", 225)]


def test_voc_objects_without_classes_are_objects_and_their_border_is_none(tmp_path):
    image(tmp_path / "JPEGImages" / "a.jpg")
    pixels = two_areas(0, 1, 2)
    pixels[35:] = 255
    mask(tmp_path / "SegmentationObject" / "a.png", pixels)
    assert areas(load_dataset(tmp_path)) == [("object", 225), ("object", 600)]


# One rule for images


def twelve_bits(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
    Image.fromarray(values).save(path)


@pytest.mark.parametrize("labels", ["yolo", "coco", "labelme"])
@pytest.mark.parametrize("to", ["yolo", "coco", "labelme"])
def test_a_conversion_reads_images_as_training_does(tmp_path, labels, to):
    if labels == "coco" == to:
        return  # to=coco takes no COCO JSON
    source = tmp_path / "source"
    twelve_bits(source / "images" / "a.png")
    if labels == "yolo":
        text(source / "labels" / "a.txt", ROW)
    elif labels == "coco":
        coco(source / "labels.json", ["a.png"], [annotation(1, 1)])
    else:
        points = np.reshape(SQUARE, (-1, 2)).tolist()
        shape = {"label": "cat", "points": points, "shape_type": "polygon", "group_id": None}
        text(
            source / "images" / "a.json",
            json.dumps({"shapes": [shape], "imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}),
        )
    out = tmp_path / ("out.json" if to == "coco" else "out")
    with pytest.raises(SeglabError, match="range=4095"):
        areas(load_dataset(source))
    with pytest.raises(SeglabError, match="range=4095"):
        convert_dataset(source, out=out, to=to)
    report = convert_dataset(source, out=out, to=to, range=4095)
    assert report.instances_written == 1 and not report.lost
    if to == "yolo":
        assert "range=0,4095" in report.next_command


def test_an_export_reads_images_as_training_does(tmp_path):
    from seglab.export.exporter import calibration_batches
    from seglab.export.metadata import ModelMetadata
    from seglab.image_files import Reading

    twelve_bits(tmp_path / "images" / "a.png")
    text(tmp_path / "labels" / "a.txt", ROW)
    spec, metadata = load_dataset(tmp_path), ModelMetadata({0: "cat"}, (64, 64), 1)
    with pytest.raises(SeglabError, match="range=4095"):
        list(calibration_batches(spec, metadata))
    (batch,) = calibration_batches(spec, metadata, reading=Reading(range=(0, 4095)))
    assert batch.max() > 0.9


def test_the_train_split_of_lvis_has_images_of_val2017(tmp_path):
    for seed, name in enumerate(("train2017/1.jpg", "val2017/2.jpg")):
        image(tmp_path / name, seed)
    coco(tmp_path / "lvis_v1_train.json", ["", ""], [annotation(1, 1), annotation(2, 2)])
    content = json.loads((tmp_path / "lvis_v1_train.json").read_text())
    for entry, name in zip(content["images"], ("train2017/1.jpg", "val2017/2.jpg")):
        del entry["file_name"]
        entry["coco_url"] = f"http://images.cocodataset.org/{name}"
    (tmp_path / "lvis_v1_train.json").write_text(json.dumps(content))
    assert areas(load_dataset(tmp_path)) == [("cat", 600)] * 2
    assert not check_dataset(tmp_path, None).issues
    assert convert_dataset(tmp_path, out=tmp_path / "out", strict=1.0).instances_back == 2


def test_check_reports_images_that_are_not_there(tmp_path):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "labels.json", ["a.jpg", "gone/b.jpg"], [annotation(1, 1), annotation(2, 2)])
    assert "gone/b.jpg" in str(check_dataset(tmp_path, None))


@pytest.mark.parametrize(
    "images, labels", [("images/train", "labels"), ("images", "labels/a/b"), ("train", "train_labels")]
)
def test_label_files_in_unusual_folders_are_found_by_name_and_said(tmp_path, images, labels):
    for seed, name in enumerate("ab"):
        image(tmp_path / images / f"{name}.jpg", seed)
        text(tmp_path / labels / f"{name}.txt", ROW)
    text(tmp_path / "classes.txt", "cat\n")
    spec = load_dataset(tmp_path)
    assert areas(spec) == [("cat", 600)] * 2
    assert any("found by their file names alone" in issue.action for issue in spec.issues)
    assert convert_dataset(tmp_path, out=tmp_path / "out").instances_back == 2


def test_lists_may_name_files_without_their_folders(tmp_path):
    for seed, name in enumerate("abc"):
        image(tmp_path / "images" / "some" / f"{name}.jpg", seed)
        text(tmp_path / "labels" / "some" / f"{name}.txt", ROW)
    text(tmp_path / "train.txt", "a.jpg\nb.jpg\n")
    text(tmp_path / "val.txt", "c.jpg\n")
    text(tmp_path / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat]\n")
    spec = load_dataset(tmp_path)
    assert (areas(spec, "train"), areas(spec, "val")) == ([("cat", 600)] * 2, [("cat", 600)])
    assert any("images not where the labels say: 2" in issue.message for issue in spec.issues)


@pytest.mark.parametrize("name", ["Data.YML", "MINE.YAML"])
def test_the_suffix_of_a_yaml_is_in_any_case(tmp_path, name):
    image(tmp_path / "images" / "a.jpg")
    text(tmp_path / "labels" / "a.txt", ROW)
    text(tmp_path / name, "train: images\nnames: [Kuh]\n")
    assert areas(load_dataset(tmp_path)) == [("Kuh", 600)]


def test_a_folder_of_the_yaml_that_is_missing_or_has_other_files_is_named_by_every_verb(tmp_path):
    image(tmp_path / "one" / "a.jpg")
    text(tmp_path / "two" / "a.tga", "no image")
    faults = {"[one, three]": "'three' is neither", "two": "'two' has no image that is read, but 1 .tga"}
    for entries, said in faults.items():
        text(tmp_path / "data.yaml", f"train: {entries}\nnames: [cat]\n")
        assert any(said in issue.message for issue in check_dataset(tmp_path, out=None).issues)
        with pytest.raises(SeglabError, match=said):
            load_dataset(tmp_path).images("train")
        with pytest.raises(SeglabError, match=said):
            hold_out(load_dataset(tmp_path), 0.5)
        with pytest.raises(SeglabError, match=said):
            convert_dataset(tmp_path, out=tmp_path / "out")


def in_labelme(folder, label, number):
    labelme(folder / f"{number}.json", f"{number}.png")
    content = json.loads((folder / f"{number}.json").read_text())
    content["shapes"][0]["label"] = label
    text(folder / f"{number}.json", json.dumps(content))


def in_via(folder, label, number):
    region = {"name": "polygon", "all_points_x": SQUARE[::2], "all_points_y": SQUARE[1::2]}
    known = json.loads((folder / "via.json").read_text()) if (folder / "via.json").exists() else {}
    regions = [{"shape_attributes": region, "region_attributes": {"type": label}}]
    known[f"{number}.png1"] = {"filename": f"{number}.png", "size": 1, "regions": regions, "file_attributes": {}}
    text(folder / "via.json", json.dumps(known))


def in_cvat(folder, label, number):
    points = ";".join(f"{x},{y}" for x, y in np.reshape(SQUARE, (-1, 2)))
    shape = f'<polygon label="{label}" occluded="0" points="{points}"/>'
    entry = f'<image id="{number}" name="{number}.png" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
    file = folder / "annotations.xml"
    before = file.read_text(encoding="utf-8").removesuffix("</annotations>") if file.exists() else "<annotations>"
    text(file, f"{before}{entry}</annotations>")


def in_supervisely(folder, label, number):
    (folder / f"{number}.png").unlink()
    image(folder / "ds" / "img" / f"{number}.png", number)
    outline = {"exterior": np.reshape(SQUARE, (-1, 2)).tolist(), "interior": []}
    entry = {"classTitle": label, "geometryType": "polygon", "points": outline}
    content = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": [entry], "tags": []}
    text(folder / "ds" / "ann" / f"{number}.png.json", json.dumps(content))


def in_object_xml(folder, label, number):
    corners = "".join(f"<x{k}>{x}</x{k}><y{k}>{y}</y{k}>" for k, (x, y) in enumerate(np.reshape(SQUARE, (-1, 2)), 1))
    entry = f"<object><name>{label}</name><polygon>{corners}</polygon></object>"
    text(folder / f"{number}.xml", f"<annotation><filename>{number}.png</filename>{entry}</annotation>")


@pytest.mark.parametrize("add", [in_labelme, in_via, in_cvat, in_supervisely, in_object_xml])
def test_one_name_in_two_spellings_of_its_letters_is_one_class(tmp_path, add):
    folder = tmp_path / "set"
    for number, form in enumerate(("NFC", "NFD")):
        image(folder / f"{number}.png", number)
        add(folder, unicodedata.normalize(form, "Kühe"), number)
    assert areas(load_dataset(folder)) == [("Kühe", 600)] * 2


def test_an_id_of_two_images_is_that_of_the_first_wherever_they_go(tmp_path):
    for seed, name in enumerate("abc"):
        image(tmp_path / f"{name}.jpg", seed)
    coco(tmp_path / "result.json", ["a.jpg", "b.jpg"], [annotation(1, 1), annotation(2, 2)])
    content = json.loads((tmp_path / "result.json").read_text())
    content["images"].append({"id": 1, "file_name": "c.jpg", "width": WIDTH, "height": HEIGHT})
    text(tmp_path / "result.json", json.dumps(content))
    report = check_dataset(tmp_path, out=None)
    assert any("one id for two images: 1 is that of a.jpg and of c.jpg" in issue.message for issue in report.issues)
    assert report.splits["train"].instances.total() == 2
    split = hold_out(load_dataset(tmp_path), 0.5)
    assert len(areas(split, "train") + areas(split, "val")) == 2, "none is in both splits"
    assert convert_dataset(tmp_path, out=tmp_path / "out").instances_back == 2


@pytest.mark.parametrize(
    "images, masks",
    [
        ("images/image_{}.jpg", "masks/mask_{}.png"),
        ("imgs/{}.jpg", "masks/mask_{}.png"),
        ("images/IMG-{}.jpg", "masks/{}.png"),
        ("train_images/{}.jpg", "train_masks/{}.png"),
    ],
)
def test_masks_are_called_by_a_word_before_the_name_too(tmp_path, images, masks):
    for seed, name in enumerate(("x1", "x2")):
        image(tmp_path / images.format(name), seed)
        mask(tmp_path / masks.format(name), two_areas(0, 1, 2))
    assert areas(load_dataset(tmp_path)) == [("object", 225)] * 2 + [("object", 600)] * 2


@pytest.mark.parametrize("suffix, mode", [("png", "1"), ("gif", "L"), ("tif", "1"), ("png", "P")])
def test_white_is_white_in_every_way_that_a_file_says_it(tmp_path, suffix, mode):
    image(tmp_path / "images" / "a.jpg")
    white = Image.fromarray(np.uint8(two_areas(0, 255, 255)))
    (tmp_path / "masks").mkdir()
    white.convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / "masks" / f"a.{suffix}")
    assert areas(load_dataset(tmp_path)) == [("object", 225), ("object", 600)]


@pytest.mark.parametrize("images, masks", [("images", "masks"), ("image", "mask"), ("image", "masks")])
def test_folders_of_one_image_each_may_be_called_in_the_singular(tmp_path, images, masks):
    for seed, name in enumerate("ab"):
        image(tmp_path / name / images / f"{name}.jpg", seed)
        for number, only in enumerate((two_areas(0, 255, 0), two_areas(0, 0, 255))):
            mask(tmp_path / name / masks / f"{number}.png", only)
    assert areas(load_dataset(tmp_path)) == [("object", 225)] * 2 + [("object", 600)] * 2


def test_outlines_on_one_line_are_no_instances_in_any_format(tmp_path):
    image(tmp_path / "rows" / "images" / "a.jpg")
    text(tmp_path / "rows" / "labels" / "a.txt", ROW + "0 .1 .1 .2 .2 .3 .3\n0 .5 .5 .5 .5 .5 .5\n")
    image(tmp_path / "json" / "a.jpg")
    rows = [annotation(1, 1), annotation(2, 1, segmentation=[[10, 10, 20, 20, 30, 30]])]
    coco(tmp_path / "json" / "result.json", ["a.jpg"], rows)
    image(tmp_path / "tool" / "a.png")
    labelme(tmp_path / "tool" / "a.json", "a.png")
    content = json.loads((tmp_path / "tool" / "a.json").read_text())
    content["shapes"].append(content["shapes"][0] | {"points": [[10, 10], [20, 20], [30, 30], [15, 15]]})
    text(tmp_path / "tool" / "a.json", json.dumps(content))
    for name in ("rows", "json", "tool"):
        report = check_dataset(tmp_path / name, out=None)
        assert report.splits["train"].instances.total() == 1, name
        assert any("area" in issue.message for issue in report.issues), name


def explored(path):
    """Instances that `explore` shows of a dataset's train split."""
    return sum(len(read().instances) for _, read in samples(path, "train"))


def test_explore_refuses_what_the_others_refuse_in_the_same_words(tmp_path):
    for seed, name in enumerate("ab"):
        image(tmp_path / "rows" / "images" / f"{name}.jpg", seed)
        text(tmp_path / "rows" / "labels" / f"{name}.txt", ROW.replace("0 ", "cat ", 1))
        image(tmp_path / "table" / "images" / f"{name}.jpg", seed)
        image(tmp_path / "results" / f"{name}.jpg", seed)
    text(tmp_path / "table" / "masks.csv", "a,b\n")
    text(tmp_path / "results" / "predictions.json", '[{"image_id": 1, "score": 0.5}]')
    text(tmp_path / "mine.zip", "PK")
    for name in ("rows", "table", "results", "mine.zip", "nowhere"):
        with pytest.raises(SeglabError) as by_load:
            load_dataset(tmp_path / name)
        with pytest.raises(SeglabError) as by_explore:
            explored(tmp_path / name)
        assert str(by_explore.value) == str(by_load.value)


def test_plain_images_are_explored_without_labels(tmp_path):
    image(tmp_path / "a.jpg")
    assert len(samples(tmp_path)) == 1
    assert len(samples(tmp_path / "a.jpg")) == 1


def test_masks_whose_names_do_not_say_of_which_image_are_named(tmp_path):
    """As iSAID's: P0001_instance_id_RGB.png."""
    for seed, name in enumerate(("P1", "P2")):
        image(tmp_path / "images" / f"{name}.png", seed)
        mask(tmp_path / "Instance_masks" / "images" / f"{name}_instance_id_RGB.png", two_areas(0, 1, 2))
    with pytest.raises(SeglabError, match=r"_instance_id_RGB\.png looks like a mask, .*a_mask\.png"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("kind", ["rows", "coco", "labelme", "masks"])
@pytest.mark.parametrize("data", ["photos", "linked"])
def test_the_split_of_images_with_labels_elsewhere_is_found_by_the_next_run(tmp_path, monkeypatch, kind, data):
    """Images under a relative path or behind a link, as a user says them."""
    names = [f"{name}.png" for name in "abcd"]
    for seed, name in enumerate(names):
        image(tmp_path / "photos" / name, seed)
        if kind == "rows":
            text(tmp_path / "labels" / f"{name[0]}.txt", ROW)
        elif kind == "labelme":
            labelme(tmp_path / "labels" / f"{name[0]}.json", f"../photos/{name}")
        elif kind == "masks":
            mask(tmp_path / "labels" / name, two_areas(0, 1, 0))
    if kind == "coco":
        coco(tmp_path / "labels" / "result.json", names, [annotation(n, n) for n in range(1, 5)])
    (tmp_path / "linked").symlink_to(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    drawn, kept = hold_out_once(load_dataset(data, labels="labels"), 0.25)
    again = load_dataset(data, labels="labels")
    assert {split: len(files) for split, files in again.splits.items()} == {"train": 3, "val": 1}, kept
    assert [path.name for path in again.splits["val"]] == [path.name for path in drawn.splits["val"]]
    report = convert_dataset(data, labels="labels", out="out")
    assert {split: len(files) for split, files in load_dataset("out").splits.items()} == {"train": 3, "val": 1}
    assert "no val split" not in str(report)


def test_a_conversion_that_holds_images_out_does_not_say_that_there_is_no_val(tmp_path):
    for seed, name in enumerate("abcd"):
        image(tmp_path / "set" / "images" / f"{name}.jpg", seed)
        text(tmp_path / "set" / "labels" / f"{name}.txt", ROW)
    assert "no val split" in str(convert_dataset(tmp_path / "set", out=tmp_path / "without"))
    assert "no val split" not in str(convert_dataset(tmp_path / "set", out=tmp_path / "with", holdout=0.25))
