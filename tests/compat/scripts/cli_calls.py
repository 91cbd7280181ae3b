"""Drive the command line from a script, as notebooks do with an exclamation mark."""

import os
import subprocess
from pathlib import Path

here = os.getcwd()
model = "yolo11n-seg.pt"
code = os.system(
    f"seglab segment predict model=yolo11n-seg.pt source=bus.jpg imgsz=160 save=True project={here}/out name=cli"
)
assert code == 0
assert Path("out/cli/bus.jpg").exists()

code = os.system(
    f"seglab task=segment mode=predict model={model} source=images save_txt=True save_conf project={here}/out name=txt"
)
assert code == 0
labels = sorted(Path("out/txt/labels").glob("*.txt"))
assert labels, "no label files"
print(labels[0].read_text().splitlines()[0][:60])

done = subprocess.run(
    f"seglab segment val model={model} data=coco8-seg.yaml imgsz=160 batch=2 workers=0 project={here}/out name=val",
    shell=True,
    capture_output=True,
    text=True,
)
assert done.returncode == 0, done.stderr
assert "mAP50" in done.stdout + done.stderr
