"""A page with an image to drop in and two sliders."""

import gradio as gr
import PIL.Image as Image

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")


def predict_image(img, conf_threshold, iou_threshold):
    results = model.predict(source=img, conf=conf_threshold, iou=iou_threshold, show_labels=True, show_conf=True)
    for r in results:
        im_array = r.plot()
        im = Image.fromarray(im_array[..., ::-1])
    return im


iface = gr.Interface(
    fn=predict_image,
    inputs=[
        gr.Image(type="pil", label="Upload Image"),
        gr.Slider(minimum=0, maximum=1, value=0.25, label="Confidence threshold"),
        gr.Slider(minimum=0, maximum=1, value=0.45, label="IoU threshold"),
    ],
    outputs=gr.Image(type="pil", label="Result"),
    title="Segmentation",
)

if __name__ == "__main__":
    out = predict_image(Image.open("bus.jpg"), 0.25, 0.45)
    assert out.size == Image.open("bus.jpg").size
