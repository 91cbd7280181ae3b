// Instance segmentation in the browser: an end-to-end ONNX file of seglab, run by onnxruntime-web, all from this folder.
//
// The file takes `image` (height, width, 3) uint8 RGB and gives `boxes` (N, 4) left, top, right, bottom in its pixels,
// `scores` (N), `classes` (N) and `masks` (N, height, width): letterbox, NMS and masks are inside the graph.

import * as ort from "./ort.wasm.bundle.min.mjs";

const MODEL = "toybox-n.onnx";
const EXAMPLE = "example.jpg";
const MAX_SIDE = 1280; // larger images are scaled down: masks take 4 bytes per pixel and object while they are made

ort.env.wasm.numThreads = 1; // more would need headers that a plain web server does not send

export let latest = null; // the last detections, for whoever imports this module

// --- the network ---

export async function loadModel(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be fetched (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const names = classNames(metadata(bytes).names);
  return { session: await ort.InferenceSession.create(bytes), names };
}

// Class id -> name, of a Python literal such as {0: 'cup', 1: "o'clock"}.
export function classNames(literal) {
  const pairs = literal.matchAll(/(\d+): (?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")/g);
  return Object.fromEntries(Array.from(pairs, ([, id, single, double]) => [id, unescaped(single ?? double)]));
}

function unescaped(text) {
  const signs = { n: "\n", t: "\t", r: "\r" };
  const coded = /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/g;
  return text.replace(coded, (_, x, u, U, sign) =>
    sign === undefined ? String.fromCodePoint(parseInt(x ?? u ?? U, 16)) : (signs[sign] ?? sign));
}

// The key-value pairs of an ONNX file. It is a protocol buffer: fields one after another, each a tag (number and wire
// type), then a number, or a length and so many bytes. In the model, field 14 is a pair; in a pair, 1 is key, 2 value.
export function metadata(bytes) {
  const text = (field) => new TextDecoder().decode(field.bytes);
  const pairs = fields(bytes).filter((field) => field.number === 14).map((field) => fields(field.bytes));
  return Object.fromEntries(pairs.map(([key, value]) => [text(key), text(value)]));
}

function fields(bytes) {
  let position = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[position++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const found = [];
  while (position < bytes.length) {
    const tag = number();
    const length = number(); // the value itself where the wire type is 0
    if (tag % 8 === 2) {
      found.push({ number: tag >> 3, bytes: bytes.subarray(position, position + length) });
      position += length;
    } else if (tag % 8 !== 0) throw new Error("this is not an ONNX file");
  }
  return found;
}

// ImageData -> {width, height, objects: [{name, classId, score, box, mask}]}, highest score first; a mask is a
// Uint8Array of width * height zeros and ones.
export async function detect(model, { data, width, height }) {
  const rgb = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * pixel + channel] = data[4 * pixel + channel];
  }
  const image = new ort.Tensor("uint8", rgb, [height, width, 3]);
  const outputs = await model.session.run({ image }, ["boxes", "scores", "classes", "masks"]);
  const objects = Array.from(outputs.scores.data, (score, index) => {
    const classId = Number(outputs.classes.data[index]);
    return {
      name: model.names[classId],
      classId,
      score,
      box: Array.from(outputs.boxes.data.slice(4 * index, 4 * index + 4)),
      mask: outputs.masks.data.slice(index * width * height, (index + 1) * width * height),
    };
  });
  return { width, height, objects };
}

// --- the image ---

const hue = (classId) => Math.round(classId * 137.5) % 360; // golden angle: neighbors differ

// Draw an image (anything a canvas can draw) at its own size, or at most MAX_SIDE, and return its pixels.
function show(image, canvas) {
  const scale = Math.min(1, MAX_SIDE / Math.max(image.width, image.height));
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Masks, boxes and labels over the image on the canvas; small objects over large ones.
function draw({ width, height, objects }, canvas) {
  const context = canvas.getContext("2d");
  const lineWidth = Math.max(2, Math.round((width + height) / 500));
  const area = ({ box: [left, top, right, bottom] }) => (right - left) * (bottom - top);
  const layer = new OffscreenCanvas(width, height).getContext("2d");
  for (const { mask, classId } of [...objects].sort((a, b) => area(b) - area(a))) {
    layer.fillStyle = `hsl(${hue(classId)} 90% 50%)`;
    layer.fillRect(0, 0, width, height);
    const tint = layer.getImageData(0, 0, width, height);
    mask.forEach((inside, pixel) => (tint.data[4 * pixel + 3] = inside ? 110 : 0));
    layer.putImageData(tint, 0, 0);
    context.drawImage(layer.canvas, 0, 0);
  }
  context.font = `600 ${6 * lineWidth + 4}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  context.lineWidth = lineWidth;
  for (const { box: [left, top, right, bottom], classId, name, score } of [...objects].reverse()) {
    const label = `${name} ${score.toFixed(2)}`;
    const labelWidth = context.measureText(label).width + 2 * lineWidth;
    const labelHeight = 6 * lineWidth + 8;
    const x = Math.max(0, Math.min(left, width - labelWidth));
    const y = Math.max(top, labelHeight);
    context.strokeStyle = context.fillStyle = `hsl(${hue(classId)} 90% 30%)`;
    context.strokeRect(left, top, right - left, bottom - top);
    context.fillRect(x, y - labelHeight, labelWidth, labelHeight);
    context.fillStyle = "white";
    context.fillText(label, x + lineWidth, y - 1);
  }
}

function list({ objects }, table) {
  table.hidden = !objects.length;
  table.tBodies[0].replaceChildren(...objects.map(({ name, classId, score, box }) => {
    const row = document.createElement("tr");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `hsl(${hue(classId)} 90% 40%)`;
    row.insertCell().append(swatch, name);
    for (const text of [score.toFixed(2), ...box.map(Math.round)]) {
      const cell = row.insertCell();
      cell.className = "number";
      cell.textContent = text;
    }
    return row;
  }));
}

// --- the page ---

const element = (id) => document.getElementById(id);
const say = (text) => (element("status").textContent = text);
const controls = [element("example"), element("file"), element("camera")];

// Run an action with the controls switched off; any error is shown on the page.
async function act(action) {
  if (controls[0].disabled) return; // busy: an image dropped meanwhile is not taken
  const focused = document.activeElement;
  controls.forEach((control) => (control.disabled = true));
  try {
    await action();
  } catch (error) {
    say(`That did not work: ${error.message}`);
  }
  controls.forEach((control) => (control.disabled = false));
  if (controls.includes(focused)) focused.focus(); // disabling took the focus away
}

async function detectImage(source) {
  const image = await createImageBitmap(source); // turned upright as its EXIF says
  stopCamera();
  const canvas = element("image");
  const pixels = show(image, canvas);
  say("Detecting ...");
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  const start = performance.now();
  latest = await detect(await model, pixels);
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  draw(latest, canvas);
  list(latest, element("results"));
  const count = latest.objects.length;
  const names = latest.objects.map(({ name }) => name).join(", ");
  canvas.setAttribute("aria-label", count ? `The image with ${count} objects marked: ${names}` : "The image; nothing found");
  say(`${count || "No"} object${count === 1 ? "" : "s"} found in ${seconds} s${count ? `: ${names}` : ""}.`);
}

async function detectInExample() {
  const response = await fetch(EXAMPLE);
  await detectImage(await response.blob());
}

async function camera() {
  const preview = element("preview");
  if (!preview.srcObject) {
    if (!navigator.mediaDevices) throw new Error("cameras open on https:// and localhost pages only");
    preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await preview.play();
    preview.hidden = false;
    element("image").hidden = true;
    element("camera").textContent = "Take photo";
    say("The camera is on.");
    return;
  }
  await detectImage(preview);
}

function stopCamera() {
  const preview = element("preview");
  preview.srcObject?.getTracks().forEach((track) => track.stop());
  preview.srcObject = null;
  preview.hidden = true;
  element("image").hidden = false;
  element("camera").textContent = "Start camera";
}

const model = loadModel(MODEL);
act(async () => {
  await model;
  say("Ready.");
});
element("example").addEventListener("click", () => act(detectInExample));
element("file").addEventListener("change", ({ target }) => target.files.length && act(() => detectImage(target.files[0])));
element("camera").addEventListener("click", () => act(camera));
for (const type of ["dragover", "dragleave", "drop"]) {
  element("drop").addEventListener(type, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) act(() => detectImage(event.dataTransfer.files[0]));
  });
}
