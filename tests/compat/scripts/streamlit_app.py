"""An upload page that shows the drawn image, a table and a download button."""

import numpy as np
import streamlit as st
from PIL import Image

from seglab import YOLO


@st.cache_resource
def load(path):
    return YOLO(path)


model = load("yolo11n-seg.pt")
st.title("Segmentation")
confidence = float(st.slider("Confidence", 25, 100, 40)) / 100
upload = st.file_uploader("Image", type=("jpg", "png"))
image = Image.open(upload) if upload else Image.open("bus.jpg")
res = model.predict(image, conf=confidence)
plotted = res[0].plot()[:, :, ::-1]
st.image(plotted, caption="Segmented", width=640)
st.dataframe(res[0].to_df())
with st.expander("Boxes"):
    for box in res[0].boxes:
        st.write(box.data)
assert np.asarray(plotted).shape[2] == 3
