"""The task's own classes, as reference pages show them, over the verbs of YOLO."""

from __future__ import annotations

from typing import Any

from seglab.errors import SeglabError
from seglab.evaluation.metrics import Metrics
from seglab.inference.results import Results
from seglab.model.transfer import init_network
from seglab.model.yolo11 import YOLO11Seg, parse_name
from seglab.yolo import YOLO

# Methods that classes of scripts replace in ultralytics, and that nothing would call here.
REPLACED = frozenset(
    "auto_batch build_dataset build_optimizer build_transforms check_resume construct_result construct_results "
    "criterion final_eval finalize_metrics get_dataloader get_dataset get_desc get_model get_obj_feats get_stats "
    "get_validator inference init_criterion init_metrics label_loss_items match_predictions optimizer_step "
    "plot_metrics plot_predictions plot_training_labels plot_training_samples plot_val_samples postprocess "
    "pre_transform pred_to_json preprocess preprocess_batch print_results progress_string save_metrics save_model "
    "save_one_txt save_predicted_images set_model_attributes setup_model setup_source stream_inference "
    "update_metrics validate write_results _do_train _prepare_batch _prepare_pred _process_batch _setup_scheduler "
    "_setup_train".split()
)


class _Task:
    """Arguments of a verb, given at once; `model` among them is opened."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Errors: SeglabError where a script's class replaces a method that would not be called."""
        super().__init_subclass__(**kwargs)
        replaced = sorted(REPLACED & vars(cls).keys())
        if replaced:
            raise SeglabError(
                f"{cls.__name__} replaces {', '.join(replaced)}, which seglab would not call: change what it does with "
                "add_callback(event, function), or call the functions that docs/reading-order.md lists"
            )

    def __init__(self, cfg: Any = None, overrides: dict[str, Any] | None = None, _callbacks: Any = None):
        self.overrides = {**(cfg if isinstance(cfg, dict) else {}), **(overrides or {})}
        arguments = dict(self.overrides)
        for name in ("task", "mode"):
            arguments.pop(name, None)
        model = arguments.pop("model", "yolo11n-seg.pt")
        self.yolo = model if isinstance(model, YOLO) else YOLO(model)
        for event, functions in (_callbacks or {}).items():
            for function in functions if isinstance(functions, (list, tuple)) else [functions]:
                self.yolo.add_callback(event, function)
        self.arguments = arguments

    def add_callback(self, event: str, callback: Any) -> None:
        """As YOLO.add_callback."""
        self.yolo.add_callback(event, callback)

    @property
    def model(self) -> YOLO11Seg | None:
        """The network."""
        return self.yolo.network


class SegmentationTrainer(_Task):
    """`SegmentationTrainer(overrides={"model": ..., "data": ..., "epochs": 1}).train()`."""

    def train(self) -> Metrics | None:
        """Train; afterward the object has what YOLO.trainer has, such as best, save_dir and metrics."""
        return self.yolo.train(**self.arguments)

    def __getattr__(self, name: str) -> Any:
        run = self.__dict__["yolo"].trainer if "yolo" in self.__dict__ else None
        if run is None:
            raise AttributeError(f"the trainer has no {name} before train()")
        return getattr(run, name)


class SegmentationValidator(_Task):
    """`SegmentationValidator(args={"model": ..., "data": ...})()`."""

    def __init__(self, dataloader: Any = None, save_dir: Any = None, args: Any = None, _callbacks: Any = None):
        super().__init__(overrides=args if isinstance(args, dict) else vars(args or object()), _callbacks=_callbacks)
        self.metrics: Metrics | None = None

    def __call__(self, trainer: Any = None, model: Any = None) -> dict[str, float]:
        """Validate; the mean values by name."""
        yolo = YOLO(model) if model is not None else self.yolo
        self.metrics = yolo.val(**self.arguments)
        return self.metrics.results_dict


class SegmentationPredictor(_Task):
    """`SegmentationPredictor(overrides={"model": ..., "source": ...}).predict_cli()`."""

    def __call__(self, source: Any = None, model: Any = None, stream: bool = False) -> Any:
        """The results of a source, by default of the one given before."""
        arguments = dict(self.arguments)
        given = arguments.pop("source", None)
        yolo = YOLO(model) if model is not None else self.yolo
        arguments["stream"] = stream
        return yolo.predict(given if source is None else source, **arguments)

    def predict_cli(self, source: Any = None, model: Any = None) -> None:
        """Predict on the whole source without keeping results."""
        result: Results
        for result in self(source, model, stream=True):
            del result


def segmentation_model(cfg: str = "yolo11n-seg.yaml", ch: int = 3, nc: int | None = None, verbose: bool = True) -> Any:
    """An untrained network of `nc` classes, 80 by default. Errors: SeglabError for another architecture."""
    scale = parse_name(str(cfg))
    if scale is None:
        return YOLO(cfg).network  # which says what there is
    return init_network(scale, nc or 80, seed=0)


def benchmark(model: Any = "yolo11n-seg.pt", data: Any = None, imgsz: int = 160, **arguments: Any) -> Any:
    """Size, mAP and latency in every format that this machine can run, as a data frame. Arguments: YOLO.benchmark's."""
    yolo = model if isinstance(model, YOLO) else YOLO(model)
    return yolo.benchmark(data, imgsz=imgsz, **arguments)
