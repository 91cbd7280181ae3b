// Instance segmentation in the browser: an end-to-end ONNX file of seglab, run by onnxruntime-web, all from this folder.
//
// The file takes `image` (height, width, 3) uint8 RGB and gives `boxes` (N, 4) left, top, right, bottom in its pixels,
// `scores` (N), `classes` (N) and `masks` (N, height, width): letterbox, suppression and masks are inside the graph.

import * as ort from "./ort.wasm.bundle.min.mjs";

const MODEL = "toybox-n.onnx";
const EXAMPLE = "example.jpg";
const LONGEST = 1280; // larger photos are scaled down: masks take 4 bytes a pixel and object while they are made

ort.env.wasm.numThreads = 1; // more would need headers that a plain web server does not send

export let latest = null; // what was found last, for whoever imports this module

// --- the network ---

export async function loadModel(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be fetched (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const names = JSON.parse(metadata(bytes).names); // class id -> name
  return { session: await ort.InferenceSession.create(bytes), names };
}

// The key-value pairs an ONNX file carries. It is a protocol buffer: fields one after another, each a tag (number and
// kind), then a number, or a length and so many bytes. Of the model, field 14 is a pair; of a pair, 1 is key, 2 value.
export function metadata(bytes) {
  const text = (field) => new TextDecoder().decode(field.bytes);
  const pairs = fields(bytes).filter((field) => field.number === 14).map((field) => fields(field.bytes));
  return Object.fromEntries(pairs.map(([key, value]) => [text(key), text(value)]));
}

function fields(bytes) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[place++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const found = [];
  while (place < bytes.length) {
    const tag = number();
    const length = number(); // a number of its own where the kind is 0
    if (tag % 8 === 2) {
      found.push({ number: tag >> 3, bytes: bytes.subarray(place, place + length) });
      place += length;
    } else if (tag % 8 !== 0) throw new Error("this is no ONNX file");
  }
  return found;
}

// ImageData of a photo -> {width, height, objects: [{name, classId, score, box, mask}]}, best first; a mask is a
// Uint8Array of width * height zeros and ones.
export async function detect(model, { data, width, height }) {
  const rgb = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * pixel + channel] = data[4 * pixel + channel];
  }
  const image = new ort.Tensor("uint8", rgb, [height, width, 3]);
  const found = await model.session.run({ image }, ["boxes", "scores", "classes", "masks"]);
  const objects = Array.from(found.scores.data, (score, index) => {
    const classId = Number(found.classes.data[index]);
    return {
      name: model.names[classId],
      classId,
      score,
      box: Array.from(found.boxes.data.slice(4 * index, 4 * index + 4)),
      mask: found.masks.data.slice(index * width * height, (index + 1) * width * height),
    };
  });
  return { width, height, objects };
}

// --- the picture ---

const hue = (classId) => Math.round(classId * 137.5) % 360; // golden angle: neighbours differ

// Draw a photo (anything a canvas can draw) at its own size, or at most LONGEST, and return its pixels.
function show(photo, canvas) {
  const scale = Math.min(1, LONGEST / Math.max(photo.width, photo.height));
  canvas.width = Math.round(photo.width * scale);
  canvas.height = Math.round(photo.height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Masks, boxes and labels over the photo on the canvas; small objects over large ones.
function draw({ width, height, objects }, canvas) {
  const context = canvas.getContext("2d");
  const line = Math.max(2, Math.round((width + height) / 500));
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
  context.font = `600 ${6 * line + 4}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  context.lineWidth = line;
  for (const { box: [left, top, right, bottom], classId, name, score } of [...objects].reverse()) {
    const label = `${name} ${score.toFixed(2)}`;
    const wide = context.measureText(label).width + 2 * line, high = 6 * line + 8;
    const x = Math.max(0, Math.min(left, width - wide)), y = Math.max(top, high);
    context.strokeStyle = context.fillStyle = `hsl(${hue(classId)} 90% 30%)`;
    context.strokeRect(left, top, right - left, bottom - top);
    context.fillRect(x, y - high, wide, high);
    context.fillStyle = "white";
    context.fillText(label, x + line, y - 1);
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

const part = (id) => document.getElementById(id);
const say = (text) => (part("status").textContent = text);
const controls = [part("example"), part("file"), part("camera")];

// Run an action with the controls switched off; whatever goes wrong is said on the page.
async function act(action) {
  if (controls[0].disabled) return; // busy: a photo dropped meanwhile waits for the next drop
  const focused = document.activeElement;
  controls.forEach((control) => (control.disabled = true));
  try {
    await action();
  } catch (error) {
    say(`That did not work: ${error.message}`);
  }
  controls.forEach((control) => (control.disabled = false));
  if (controls.includes(focused)) focused.focus(); // switching off took the focus away
}

async function look(blob) {
  const photo = await createImageBitmap(blob); // turned upright as its EXIF says
  stopCamera();
  const canvas = part("picture");
  const pixels = show(photo, canvas);
  say("Looking ...");
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  const start = performance.now();
  latest = await detect(await model, pixels);
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  draw(latest, canvas);
  list(latest, part("results"));
  const count = latest.objects.length;
  const names = latest.objects.map(({ name }) => name).join(", ");
  canvas.setAttribute("aria-label", count ? `The photo with ${count} objects marked: ${names}` : "The photo; nothing found");
  say(`${count || "No"} object${count === 1 ? "" : "s"} found in ${seconds} s${count ? `: ${names}` : ""}.`);
}

async function camera() {
  const preview = part("preview");
  if (!preview.srcObject) {
    if (!navigator.mediaDevices) throw new Error("cameras open on https:// and localhost pages only");
    preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await preview.play();
    preview.hidden = false;
    part("picture").hidden = true;
    part("camera").textContent = "Take photo";
    say("The camera is on.");
    return;
  }
  await look(await createImageBitmap(preview));
}

function stopCamera() {
  const preview = part("preview");
  preview.srcObject?.getTracks().forEach((track) => track.stop());
  preview.srcObject = null;
  preview.hidden = true;
  part("picture").hidden = false;
  part("camera").textContent = "Start camera";
}

const model = loadModel(MODEL);
act(async () => {
  await model;
  say("Ready.");
});
part("example").addEventListener("click", () => act(async () => look(await (await fetch(EXAMPLE)).blob())));
part("file").addEventListener("change", ({ target }) => target.files.length && act(() => look(target.files[0])));
part("camera").addEventListener("click", () => act(camera));
for (const kind of ["dragover", "dragleave", "drop"]) {
  part("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    part("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) act(() => look(event.dataTransfer.files[0]));
  });
}
