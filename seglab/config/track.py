"""Arguments of `track`."""

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import Arguments, argument

TRACKING = "Tracking"


@dataclass(frozen=True)
class TrackInput(Arguments):
    """How instances are followed, beside the arguments of `predict`."""

    tracker: str = argument(
        "botsort.yaml",
        "botsort.yaml, bytetrack.yaml, or your own YAML file with settings; if conf is not given, its "
        "track_low_thresh (0.1) is used",
        group=TRACKING,
    )
    persist: bool = argument(
        False, "in Python: continue the tracks of the last call, for frames passed one by one", group=TRACKING
    )


@dataclass(frozen=True)
class TrackerConfig(Arguments):
    """The settings of a tracker, under the names of ultralytics' tracker files.

    The scores are near those of the ByteTrack paper: lower ones begin a track at every doubtful find.
    """

    tracker_type: str = argument("botsort", "how boxes are matched", choices=("botsort", "bytetrack"))
    track_high_thresh: float = argument(0.5, "minimum score of what is matched first", min=0, max=1)
    track_low_thresh: float = argument(0.1, "minimum score of what is matched with the rest", min=0, max=1)
    new_track_thresh: float = argument(0.6, "minimum score of what begins a track", min=0, max=1)
    track_buffer: int = argument(30, "frames during which a lost track may be found again", min=0)
    match_thresh: float = argument(0.9, "maximum distance of a match: 1 - IoU", min=0, max=1)
    gmc_method: str = argument(
        "sparseOptFlow",
        "botsort: how camera motion is estimated",
        choices=("sparseOptFlow", "orb", "sift", "ecc", "none"),
    )
