# %% [markdown]
# # 01 · Your own photos in fifteen minutes
#
# Before we take the network apart, use it for something of your own: sixteen photos, an outline around every object, one
# call to convert them and one to train, and the network finds objects of classes that are yours alone. How and why this
# works fills the rest of the course; here is the shortest way through.
#
# After this lesson you can
#
# 1. go from a folder of photos with outlines to a dataset, in one call,
# 2. fine-tune a trained network on it, in one call (*transfer learning*),
# 3. use the result on a folder of new photos, and count what it finds.
#
# **Study time:** 30 minutes. **Compute time:** about 20 seconds on a CPU. No GPU is needed. **Prerequisites:** lesson 00.

# %% [markdown]
# | minutes | what you do |
# |-|-|
# | 0 to 2 | take sixteen photos of two or three classes of objects, from several sides, on several backgrounds |
# | 2 to 12 | outline every object in a labeling tool: [Labelme](https://github.com/wkentaro/labelme), CVAT, Label Studio; some of them propose an outline when you click on an object |
# | 12 to 13 | convert |
# | 13 to 15 | train, and look at the result |
#
# To run this lesson on your photos, put them and their Labelme files into a folder called `my_photos` next to this
# notebook. Without that folder, the lesson generates images instead: bagels and notebooks on a table. (There are bananas
# on it as well. They are not outlined, because we do not want to find bananas.)

# %%
import json
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt

from seglab.toybox.scene import plain_scene

folder = Path(tempfile.mkdtemp()).resolve()
WANTED = {0: "bagel", 2: "notebook"}  # the generator's classes 0, 1 and 2 are donut, banana and book


def labelme_content(name, scene):
    """What Labelme writes for one photo: a label and the corners of every outline."""
    wanted = [each for each in scene.instances if each.class_id in WANTED]
    shapes = [{"label": WANTED[each.class_id], "points": each.rings[0].round(1).tolist()} for each in wanted]
    height, width = scene.image.shape[:2]
    content = {"imagePath": name, "imageHeight": height, "imageWidth": width, "imageData": None}
    return content | {"shapes": [shape | {"shape_type": "polygon", "group_id": None} for shape in shapes]}


print("looking for", " and ".join(WANTED.values()))

# %%
photos = Path("my_photos")
if not photos.is_dir():
    photos = folder / "photos"
    photos.mkdir()
    for number in range(16):
        scene = plain_scene((8, number), (192, 256))
        cv2.imwrite(str(photos / f"IMG_{number:04}.jpg"), scene.image[..., ::-1])
        content = labelme_content(f"IMG_{number:04}.jpg", scene)
        (photos / f"IMG_{number:04}.json").write_text(json.dumps(content))
contents = [json.loads(path.read_text()) for path in sorted(photos.glob("*.json"))]
labels = [shape["label"] for content in contents for shape in content["shapes"]]
print(len(contents), "photos with", {name: labels.count(name) for name in sorted(set(labels))})
assert len(contents) >= 8, "take a few more photos"

# %% [markdown]
# ## Convert
#
# One call reads the outlines, whichever tool wrote them, holds out a quarter of the photos for validation, and checks
# that every object can be read back as it was drawn.

# %%
from seglab.convert import convert

report = convert(photos, out=folder / "dataset", holdout=0.25)
print(f"{report.images_written} photos, {report.instances_written} of {report.instances} objects written")
assert report.lost == 0, report.issues

# %% [markdown]
# ## Train
#
# Start from weights that already know what objects look like: here the course's own, `toybox-n`. For photos of real
# objects, take `YOLO("yolo11n-seg.pt")`, which was trained on COCO's photos. Only the layer that tells *your* classes
# apart must be learned from scratch, so a few dozen steps are enough.

# %%
import contextlib
import io

from seglab import YOLO

model = YOLO("toybox-n")
with contextlib.redirect_stdout(io.StringIO()) as log:  # it prints its plan and its progress
    small = {"imgsz": 192, "epochs": 8, "workers": 0, "amp": False}  # in float32, so that all machines find the same
    metrics = model.train(data=folder / "dataset", **small, plots=False, project=str(folder))
print("it now finds", ", ".join(model.names.values()))
assert metrics.seg.map50 > 0.3

# %% [markdown]
# ## Look
#
# Never trust a metric before you have looked at the predictions behind it. Here are the held-out photos, with what the
# network finds in them:

# %% alt="Four photos seen from above, with bagels and notebooks tinted, outlined and named by the network; some bananas are left alone, others are taken for notebooks."
results = model(folder / "dataset/images/val", imgsz=192, engine="torch")
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), dpi=80, layout="constrained")
figure.suptitle(f"held-out photos: mask mAP50 {metrics.seg.map50:.2f}", fontsize=10)
for axis, result in zip(axes, results):
    axis.imshow(result.plot(conf=False)[..., ::-1])
    axis.set_axis_off()
plt.show()
assert sum(map(len, results)) > 0
print("photos:", len(results))

# %% [markdown]
# All bagels and notebooks are found, so the metric is high. And yet a banana may be called a notebook: twelve photos are
# not much to learn from. In mAP, false positives with low scores cost little. On an image, you notice every one of them.
#
# The network is useful all the same. A `Results` object has everything that lesson 00 showed; here is a count per photo.


# %% tags=["nbval-ignore-output"]
def count(result):
    names = [result.names[int(class_id)] for class_id in result.boxes.cls]
    return {name: names.count(name) for name in sorted(set(names))}


for result in results:
    print(Path(result.path).name, count(result))

# %% [markdown]
# ## If it does not work
#
# - **Nothing is found**: look at the labels first. A misspelled class name makes a class of its own. `seglab check
#   data=FOLDER` counts the labels and draws them.
# - **The wrong objects are found**: add photos *without* your objects, with an empty list of outlines. From them, the
#   network learns what to ignore.
# - **Edges are rough**: train and predict with a larger `imgsz`. Masks have a quarter of its resolution (lesson 02).
# - **Validation looks too good**: are photos of the same scene in both splits? Lesson 11 shows how to split by groups.
#
# ## Recap
#
# - A dataset is photos and outlines; `convert` makes one from any tool's files, and reports what was lost.
# - Fine-tuning starts from a network that knows other classes. It takes a few photos and minutes, not days.
# - Look at images before metrics, and trust only metrics of held-out photos.
#
# *To think about:* your sixteen photos were all taken on the same evening. What will the network do in daylight, and
# which photo would you take next?
#
# ## Sources
#
# - Yosinski et al., *How Transferable Are Features in Deep Neural Networks?*, 2014, for why this works.
# - The library: `seglab/convert/conversion.py`, `seglab/model/transfer.py`; lesson 11 does all of this in depth.
#
# ## Exercises
#
# Write the function, then run the check below it.
