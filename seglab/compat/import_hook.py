"""Modules that scripts for ultralytics import beside YOLO, under the same dotted names below `seglab`.

One table from dotted name to counterpart. `import seglab` appends a finder to sys.meta_path that makes a module of a
row when it is asked for; modules that seglab really has are found before. What has no counterpart ends in an
ImportError that says what to use instead.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` for it takes 10 ms
if TYPE_CHECKING:
    from typing import Any

# module -> name in it -> where it is defined, as "module:name"; other names are refused. The modules are made, except
# those that seglab really has, which get the names beside their own.
COUNTERPARTS: dict[str, dict[str, str]] = {
    "seglab.models": {"YOLO": "seglab.yolo:YOLO"},
    "seglab.models.yolo": {"YOLO": "seglab.yolo:YOLO"},
    "seglab.models.yolo.model": {"YOLO": "seglab.yolo:YOLO"},
    "seglab.models.yolo.segment": {
        "SegmentationPredictor": "seglab.compat.tasks:SegmentationPredictor",
        "SegmentationTrainer": "seglab.compat.tasks:SegmentationTrainer",
        "SegmentationValidator": "seglab.compat.tasks:SegmentationValidator",
    },
    "seglab.models.yolo.segment.predict": {"SegmentationPredictor": "seglab.compat.tasks:SegmentationPredictor"},
    "seglab.models.yolo.segment.train": {"SegmentationTrainer": "seglab.compat.tasks:SegmentationTrainer"},
    "seglab.models.yolo.segment.val": {"SegmentationValidator": "seglab.compat.tasks:SegmentationValidator"},
    "seglab.engine": {},
    "seglab.engine.model": {"Model": "seglab.yolo:YOLO"},
    "seglab.engine.results": {
        "Boxes": "seglab.inference.instances:Boxes",
        "Masks": "seglab.inference.instances:Masks",
        "Results": "seglab.inference.results:Results",
    },
    "seglab.nn": {},
    "seglab.nn.tasks": {"SegmentationModel": "seglab.compat.tasks:segmentation_model"},
    "seglab.data.augment": {"LetterBox": "seglab.compat.ops:LetterBox"},
    "seglab.data.converter": {
        name: f"seglab.compat.converter:{name}"
        for name in (
            "coco80_to_coco91_class",
            "coco91_to_coco80_class",
            "convert_coco",
            "convert_segment_masks_to_yolo_seg",
            "merge_multi_segment",
        )
    },
    "seglab.data.utils": {
        "IMG_FORMATS": "seglab.compat.utilities:IMG_FORMATS",
        "VID_FORMATS": "seglab.compat.utilities:VID_FORMATS",
        **{
            name: f"seglab.compat.utilities:{name}"
            for name in (
                "check_det_dataset",
                "img2label_paths",
                "polygon2mask",
                "polygons2masks",
                "polygons2masks_overlap",
            )
        },
        "segments2boxes": "seglab.compat.ops:segments2boxes",
        "visualize_image_annotations": "seglab.compat.figures:visualize_image_annotations",
    },
    "seglab.utils": {
        "DEFAULT_CFG": "seglab.compat.settings:DEFAULT_CFG",
        "DEFAULT_CFG_DICT": "seglab.compat.arguments:DEFAULTS",
        "LOGGER": "seglab.compat.settings:LOGGER",
        "ROOT": "seglab.compat.settings:ROOT",
        "SETTINGS": "seglab.compat.settings:settings",
        "TQDM": "tqdm.auto:tqdm",
        **{name: f"seglab.compat.utilities:{name}" for name in ("ThreadingLocked", "YAML", "yaml_load", "yaml_save")},
    },
    "seglab.utils.benchmarks": {"benchmark": "seglab.compat.tasks:benchmark"},
    "seglab.utils.checks": {
        "check_file": "seglab.compat.utilities:check_file",
        "check_requirements": "seglab.compat.utilities:check_requirements",
        "check_yaml": "seglab.compat.utilities:check_file",
        "check_yolo": "seglab.checks:print_checks",
        "collect_system_info": "seglab.checks:print_checks",
    },
    "seglab.utils.files": {
        "WorkingDirectory": "seglab.compat.utilities:WorkingDirectory",
        "file_size": "seglab.compat.utilities:file_size",
        "increment_path": "seglab.compat.settings:increment_path",
    },
    "seglab.utils.metrics": {
        "ConfusionMatrix": "seglab.evaluation.confusion:ConfusionMatrix",
        "Metric": "seglab.evaluation.metrics:TaskMetrics",
        "SegmentMetrics": "seglab.evaluation.metrics:Metrics",
        "bbox_iou": "seglab.compat.ops:bbox_iou",
        "box_iou": "seglab.geometry.boxes:box_iou",
        "mask_iou": "seglab.compat.ops:mask_iou",
    },
    "seglab.utils.nms": {"non_max_suppression": "seglab.compat.ops:non_max_suppression"},
    "seglab.utils.ops": {
        "Profile": "seglab.compat.utilities:Profile",
        "make_divisible": "seglab.compat.utilities:make_divisible",
    }
    | {
        name: f"seglab.compat.ops:{name}"
        for name in (
            "clip_boxes",
            "clip_coords",
            "crop_mask",
            "empty_like",
            "ltwh2xywh",
            "ltwh2xyxy",
            "masks2segments",
            "non_max_suppression",
            "process_mask",
            "process_mask_native",
            "resample_segments",
            "scale_boxes",
            "scale_coords",
            "scale_image",
            "scale_masks",
            "segment2box",
            "segments2boxes",
            "xywh2ltwh",
            "xywh2xyxy",
            "xywhn2xyxy",
            "xyxy2ltwh",
            "xyxy2xywh",
            "xyxy2xywhn",
        )
    },
    "seglab.utils.plotting": {
        "Annotator": "seglab.compat.annotator:Annotator",
        "Colors": "seglab.compat.annotator:Colors",
        "colors": "seglab.compat.annotator:colors",
        "plot_results": "seglab.compat.figures:plot_results",
        "save_one_box": "seglab.compat.annotator:save_one_box",
    },
    "seglab.utils.torch_utils": {
        "select_device": "seglab.device:choose_device",
        **{
            name: f"seglab.compat.utilities:{name}"
            for name in (
                "get_flops",
                "get_num_gradients",
                "get_num_params",
                "init_seeds",
                "model_info",
                "smart_inference_mode",
                "time_sync",
                "unwrap_model",
            )
        },
    },
}

# Module, or one name of a module or of the package itself -> what to use instead.
INSTEAD = {
    "seglab.data.annotator": "it has no SAM to label with: predict(source, save_txt=True) writes predictions as labels",
    "seglab.data.build": "use seglab.data.loader.build_loader",
    "seglab.data.split": "split with `seglab convert ... holdout=0.2`",
    "seglab.solutions": "loop over YOLO(...).predict(video, stream=True) and draw with Results.plot",
    "seglab.trackers": "use YOLO(...).track",
    "seglab.hub": "nothing is uploaded: runs stay in runs/segment",
    "seglab.cfg": "arguments are listed by `seglab help VERB` and checked by seglab.config",
    "seglab.engine.trainer": "use YOLO(...).train with add_callback, or seglab.training.trainer",
    "seglab.engine.validator": "use YOLO(...).val with add_callback, or seglab.evaluation.validate",
    "seglab.engine.predictor": "use YOLO(...).predict with add_callback, or seglab.inference.predictor",
    "seglab.engine.exporter": "use YOLO(...).export",
    "seglab.engine.tuner": "use YOLO(...).tune",
    "seglab.models.yolo.detect": "seglab segments instances only: use seglab.models.yolo.segment",
    "seglab.models.yolo.classify": "seglab segments instances only: use seglab.models.yolo.segment",
    "seglab.models.yolo.pose": "seglab segments instances only: use seglab.models.yolo.segment",
    "seglab.models.yolo.obb": "seglab segments instances only: use seglab.models.yolo.segment",
    "seglab.models.sam": "seglab has YOLO11-seg only: use seglab.YOLO",
    "seglab.models.fastsam": "seglab has YOLO11-seg only: use seglab.YOLO",
    "seglab.models.rtdetr": "seglab has YOLO11-seg only: use seglab.YOLO",
    "seglab.nn.modules": "use seglab.model.blocks",
    "seglab.nn.autobackend": "open exported files with YOLO(file)",
    "seglab.utils.ASSETS": "it has no images of ultralytics: give a path of your own, or source=toybox8-seg",
    "seglab.utils.torch_utils.de_parallel": "use unwrap_model",
    "seglab.utils.callbacks": "use YOLO(...).add_callback",
    "seglab.utils.downloads": "official weights and datasets are downloaded by name on first use",
    "seglab.utils.instance": "use seglab.sample.Instance",
    "seglab.utils.loss": "use seglab.training.loss",
    "seglab.utils.plotting.plot_images": "use seglab.drawing.plots.batch_mosaic",
    "seglab.data.converter.yolo_bbox2segment": "it has no SAM to draw outlines with: label outlines",
    "seglab.utils.tal": "use seglab.training.assign",
    "seglab.utils.autobatch": "train(batch=-1) measures what fits",
    "seglab.utils.patches": "use cv2.imread and cv2.imwrite",
    "seglab.utils.checks.check_imshow": "predict(show=True) says so where no window can be opened",
    "seglab.utils.DATASETS_DIR": "use settings['datasets_dir']",
    "seglab.utils.RUNS_DIR": "use settings['runs_dir']",
    "seglab.utils.WEIGHTS_DIR": "use settings['weights_dir']",
    "seglab.utils.ops.xyxyxyxy2xywhr": "it has no rotated boxes: cv2.minAreaRect(points) gives one of masks.xy",
    "seglab.utils.ops.xywhr2xyxyxyxy": "it has no rotated boxes: cv2.boxPoints gives the corners of one",
    "seglab.data.dataset.YOLODataset": "use seglab.data.dataset.SegmentationDataset",
    "seglab.data.YOLODataset": "use seglab.data.dataset.SegmentationDataset",
    "seglab.data.loaders": "use YOLO(...).predict(source, stream=True), or cv2.VideoCapture",
    "seglab.nn.tasks.load_checkpoint": "use YOLO(path).model",
    "seglab.nn.tasks.attempt_load_weights": "use YOLO(path).model",
    "seglab.nn.tasks.attempt_load_one_weight": "use YOLO(path).model",
    "seglab.ASSETS": "it has no images of ultralytics: give a path of your own, or source=toybox8-seg",
    "seglab.download": "official weights and datasets are downloaded by name on first use",
    "seglab.NAS": "it has YOLO11-seg only: use seglab.YOLO",
    "seglab.SAM": "it has YOLO11-seg only: use seglab.YOLO",
    "seglab.FastSAM": "it has YOLO11-seg only: use seglab.YOLO",
    "seglab.RTDETR": "it has YOLO11-seg only: use seglab.YOLO",
    "seglab.YOLOE": "it has YOLO11-seg only: use seglab.YOLO",
    "seglab.YOLOWorld": "it has YOLO11-seg only: use seglab.YOLO",
}
OTHERWISE = "docs/compat.md lists what is available"
# Packages of ultralytics, whose other modules are refused with a sentence too.
PACKAGES = ("data", "engine", "hub", "models", "nn", "solutions", "trackers", "utils")


class Counterpart(ModuleType):
    """A module made of a row of the table."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in COUNTERPARTS[self.__name__]:
            # A module below this one, which `from package import module` asks for as a name.
            below = f"{self.__name__}.{name}"
            if below in COUNTERPARTS:
                return importlib.import_module(below)
            raise refusal(below)
        return counterpart(self.__name__, name)

    def __dir__(self) -> list[str]:
        return sorted(COUNTERPARTS[self.__name__])


class CounterpartFinder:
    """Makes the modules of the table."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("seglab."):
            return None
        package, _, name = fullname.rpartition(".")
        if fullname in COUNTERPARTS or name in COUNTERPARTS.get(package, ()):
            return ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]
        # Only names of ultralytics: of others, the usual message is right.
        package = fullname.split(".")[1]
        if package in PACKAGES or fullname in INSTEAD:
            raise refusal(fullname)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Counterpart(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ not in COUNTERPARTS:  # a name of a module that is really there: the import gives it
            package, _, name = module.__name__.rpartition(".")
            sys.modules[module.__name__] = counterpart(package, name)
            return
        module.__doc__ = (
            f"Counterparts of what ultralytics has in {module.__name__.replace('seglab', 'ultralytics', 1)}."
        )


def counterpart(module: str, name: str) -> Any:
    """What a name of the table stands for."""
    place, original = COUNTERPARTS[module][name].split(":")
    return getattr(importlib.import_module(place), original)


def refusal(name: str) -> ImportError:
    """The error for a name without counterpart, which says what there is instead."""
    parts = name.split(".")
    places = [".".join(parts[:end]) for end in range(len(parts), 1, -1)]  # the name itself, then what it lies in
    instead = next((INSTEAD[place] for place in places if place in INSTEAD), OTHERWISE)
    # No ModuleNotFoundError: `from seglab.data import build` would swallow that and say something else.
    return ImportError(f"seglab has no {'.'.join(parts[1:])}: {instead}", name=name)


def install() -> None:
    """Append the finder, once."""
    if not any(isinstance(finder, CounterpartFinder) for finder in sys.meta_path):
        sys.meta_path.append(CounterpartFinder())
