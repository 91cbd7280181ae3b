"""A web service: an image goes in as an upload, boxes and polygons come back as JSON."""

import io

from fastapi import FastAPI, File, UploadFile
from fastapi.testclient import TestClient
from PIL import Image

from seglab import YOLO

app = FastAPI(title="segmentation")
model = YOLO("yolo11n-seg.pt")


@app.get("/classes")
def classes():
    return model.names


@app.post("/predict")
async def predict(file: UploadFile = File(...), conf: float = 0.25):
    image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    result = model.predict(image, conf=conf, verbose=False)[0]
    found = []
    for i in range(len(result)):
        found.append(
            {
                "class": result.names[int(result.boxes.cls[i])],
                "confidence": float(result.boxes.conf[i]),
                "box": result.boxes.xyxy[i].tolist(),
                "polygon": result.masks.xy[i].tolist(),
            }
        )
    return {"detections": found, "speed": result.speed, "summary": result.summary()}


if __name__ == "__main__":
    client = TestClient(app)
    with open("bus.jpg", "rb") as upload:
        answer = client.post("/predict", files={"file": ("bus.jpg", upload, "image/jpeg")})
    assert answer.status_code == 200
    body = answer.json()
    assert len(body["detections"]) == len(body["summary"]) > 0
    assert client.get("/classes").json()["0"] == model.names[0]
    print(len(body["detections"]), "objects")
