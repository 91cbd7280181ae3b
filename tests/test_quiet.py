"""Importing, training, validating, predicting and exporting touch no network and start no other program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"

SCRIPT = """
import sys
import torch  # looks for the system's own libraries with ldconfig while it loads; everything after it is watched

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
             "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "webbrowser.open")
seen = []

def watch(event, arguments):
    if event in FORBIDDEN:
        seen.append((event, repr(arguments)[:200]))
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(watch)
from seglab import YOLO

model = YOLO("yolo11n-seg.yaml")
model.train(data="toybox8-seg", epochs=1, imgsz=96, batch=4, workers=0)
model.val()
model.predict("toybox8-seg", conf=0.01, max_det=3, save=True)
exported = model.export(format="onnx", imgsz=96)
YOLO(exported).predict("toybox8-seg", conf=0.01, max_det=3)
assert not seen, seen
print("quiet")
"""


def test_the_whole_main_job_is_quiet(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and done.stdout.strip().endswith("quiet"), done.stdout[-2000:] + done.stderr[-3000:]


def test_the_readme_works_as_pasted(tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert len(script.splitlines()) == 10 and (tmp_path / "prediction.jpg").stat().st_size > 10_000


def test_reading_a_dataset_loads_no_downloader():
    script = (
        "import sys; from seglab import load_dataset; load_dataset('toybox8-seg'); "
        "print([m for m in sys.modules if m.startswith(('seglab.datasets.downloads', 'urllib.request', 'http'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_is_light():
    script = "import sys, seglab; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "torchvision", "matplotlib", "ipywidgets", "pycocotools", "onnxruntime", "cv2"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    script = "import sys; from seglab import YOLO; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torchvision", "matplotlib", "ipywidgets", "pycocotools", "onnxruntime", "onnx", "PIL", "cv2"]
    heavy += ["yaml", "xml.etree.ElementTree", "seglab.config", "seglab.datasets.load"]  # a verb loads them when called
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
