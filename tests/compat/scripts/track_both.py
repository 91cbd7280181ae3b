"""Tracks a video with both trackers, and saves text with ids."""

from pathlib import Path

from seglab import YOLO

for tracker in ("bytetrack.yaml", "botsort.yaml"):
    model = YOLO("yolo11n-seg.pt")
    ids, counts = set(), []
    saving = dict(save_txt=True, save_conf=True, project="tracks", name=tracker[:4])
    for r in model.track("video.mp4", tracker=tracker, stream=True, verbose=False, conf=0.3, iou=0.5, **saving):
        assert r.boxes.is_track
        ids |= set(r.boxes.id.int().tolist())
        counts.append(len(r.summary()))
        assert "track_id" in r.summary()[0]
    assert len(counts) == 4 and min(counts) > 0 and len(ids) < sum(counts)
    files = sorted(Path("tracks", tracker[:4], "labels").glob("*.txt"))
    assert [file.stem for file in files] == ["video_1", "video_2", "video_3", "video_4"]
    assert int(files[0].read_text().splitlines()[0].split()[-1]) in ids
