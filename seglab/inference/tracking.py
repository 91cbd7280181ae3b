"""Tracking: the same number for the same instance from frame to frame.

The trackers are those of the `trackers` library, which follows boxes: a Kalman filter predicts where each box will be,
and the Hungarian algorithm matches what was predicted with what was detected (ByteTrack, arXiv 2110.06864; BoT-SORT,
arXiv 2206.14651, which also takes out the motion of the camera). Masks stay with their boxes.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from seglab.config import TrackerConfig, refuse_unknown
from seglab.errors import SeglabError
from seglab.files import YAML_SUFFIXES
from seglab.formats.text_files import read_yaml
from seglab.inference.instances import Boxes
from seglab.inference.results import Results
from seglab.inference.sources import VIDEO_SUFFIXES

PACKAGE = "trackers"
# Settings that describe how objects are told apart by their looks, which none of these trackers does.
APPEARANCE = ("with_reid", "proximity_thresh", "appearance_thresh", "model")
CAMERA_METHODS = {"none": None, "sparseOptFlow": "sparseOptFlow", "orb": "orb", "sift": "sift", "ecc": "ecc"}


def tracker_config(tracker: str | Path = "botsort.yaml") -> TrackerConfig:
    """The settings of a tracker: a name (bytetrack, botsort, with or without .yaml) or a YAML file of settings.

    A file may hold what ultralytics' tracker files hold. Errors: SeglabError for a name or a setting that there is
    not, and for a file that is no YAML.
    """
    path = Path(tracker)
    if path.is_file():
        return TrackerConfig(**_settings_of(path))
    name = path.name.removesuffix(path.suffix) if path.suffix in YAML_SUFFIXES else path.name
    if str(path.parent) != "." or not name:
        raise SeglabError(f"there is no tracker file at {path}: give the path of a YAML file, or botsort or bytetrack")
    return TrackerConfig(tracker_type=name)


def _settings_of(path: Path) -> dict[str, Any]:
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise SeglabError(f"{path} has no settings: write one per line, e.g. `track_buffer: 30`")
    if settings.get("with_reid"):
        raise SeglabError(f"{path} sets with_reid, but seglab tracks by position only: set with_reid: False")
    own = [field.name for field in fields(TrackerConfig)]
    given = {name: value for name, value in settings.items() if name not in (*APPEARANCE, "fuse_score")}
    refuse_unknown(given, own, f"tracker file {path}", "setting")
    return given


class Tracker:
    """Follows instances through the frames that `update` is given, one after another."""

    def __init__(self, config: TrackerConfig):
        """Errors: SeglabError where the package `trackers` is not installed."""
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget all tracks, as before the first frame of another video. Numbers begin at 1 again."""
        self._tracker = _make(self.config)
        self._is_first = True

    def update(self, result: Results) -> Results:
        """The instances of the next frame that are tracked, with `boxes.id`; masks stay with them."""
        import supervision

        rows = np.asarray(result.boxes.numpy().data, dtype=np.float32)  # (N, 6)
        places = np.flatnonzero(rows[:, 4] >= self.config.track_low_thresh)
        candidates = rows[places]
        detections = supervision.Detections(
            xyxy=candidates[:, :4],
            confidence=candidates[:, 4],
            class_id=candidates[:, 5].astype(int),
            data={"place": places},  # the tracker may return them in another order
        )
        needs_frame = self.config.tracker_type == "botsort" and CAMERA_METHODS[self.config.gmc_method] is not None
        if self._is_first and self.config.tracker_type == "bytetrack":
            tracked = self._first_frame(detections)
        else:
            frame = result.orig_img if needs_frame else None
            tracked = self._tracker.update(detections, frame)
        self._is_first = False

        # Back in the order of the result, without those that belong to no track.
        ids = np.full(len(rows), -1)
        ids[tracked.data.get("place", np.empty(0, dtype=int))] = tracked.tracker_id
        chosen = np.flatnonzero(ids >= 0)
        boxes = rows[chosen]
        numbered = np.concatenate((boxes[:, :4], ids[chosen, None] + 1, boxes[:, 4:]), axis=1)  # (M, 7)
        followed = result[chosen]
        followed.boxes = Boxes(torch.from_numpy(numbered.astype(np.float32)), result.boxes.orig_shape)
        return followed

    def _first_frame(self, detections: Any) -> Any:
        """What the first frame shows has its numbers at once, as in BoT-SORT.

        The library waits for a second look. A second one at the same frame would also say that nothing moves, so the
        motion it estimates stays that of one look.
        """
        self._tracker.update(detections)
        motions = copy.deepcopy([track.state_estimator for track in self._tracker.tracks])
        tracked = self._tracker.update(detections)
        for track, motion in zip(self._tracker.tracks, motions):
            track.state_estimator = motion
        return tracked

    def follow(self, results: Iterable[Results]) -> Iterator[Results]:
        """Pass a stream of results on with the numbers of their tracks; every video of the stream begins anew.

        Images that are no video's frames count as the frames of one.
        """
        video = None
        for result in results:
            is_video = Path(result.path).suffix.lower() in VIDEO_SUFFIXES
            current = result.path if is_video else ""
            if video is not None and current != video:
                self.reset()
            video = current
            yield self.update(result)


def _make(config: TrackerConfig) -> Any:
    """The library's tracker with the settings of `config`, under the library's names for them."""
    library = _library()
    common = {
        "lost_track_buffer": config.track_buffer,
        "minimum_consecutive_frames": 2,  # what is found in one frame alone is no track, but for the first frame
    }
    activation = {"track_activation_threshold": config.new_track_thresh}
    high = {"high_conf_det_threshold": config.track_high_thresh}
    overlap = 1 - config.match_thresh  # a match may be no farther than match_thresh, 1 - IoU
    if config.tracker_type == "bytetrack":
        return library.ByteTrackTracker(**common, **activation, **high, minimum_iou_threshold=overlap)
    method = CAMERA_METHODS[config.gmc_method]
    camera = {"enable_cmc": method is not None}
    if method is not None:
        camera["cmc_method"] = cast(Any, method)
    return library.BoTSORTTracker(**common, **activation, **high, **camera, minimum_iou_threshold_first_assoc=overlap)


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import trackers
    except ModuleNotFoundError:
        raise SeglabError("tracking needs the package trackers: pip install trackers") from None
    return trackers
