"""Images from memory: bytes through PIL, a PIL result shown to a web page as base64."""

import base64
import io

from PIL import Image

from seglab import YOLO

data = open("bus.jpg", "rb").read()
image = Image.open(io.BytesIO(data)).convert("RGB")
model = YOLO("yolo11n-seg.pt", task="segment")
result = model.predict(image, imgsz=320, save=False)[0]
assert result.orig_shape == (image.height, image.width)
picture = Image.fromarray(result.plot(line_width=2, font_size=10)[..., ::-1])
buffer = io.BytesIO()
picture.save(buffer, format="PNG")
text = base64.b64encode(buffer.getvalue()).decode()
payload = {"image": text, "objects": result.summary(normalize=True)}
assert Image.open(io.BytesIO(base64.b64decode(payload["image"]))).size == image.size
first = payload["objects"][0]
assert {"name", "class", "confidence", "box", "segments"} <= set(first)
assert 0 <= first["box"]["x1"] <= 1 and all(0 <= x <= 1 for x in first["segments"]["x"])
