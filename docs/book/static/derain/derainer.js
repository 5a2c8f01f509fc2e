// Pictures of any size, derained by workers that share their tiles.
//
// The network has no norm: an output pixel depends on no more than `margin` pixels around it, so
// however a picture is cut, the result is the same. On the processor each core has a worker with
// one thread. That needs no cross-origin isolation, which plain web hosts (GitHub Pages) do not
// give, and keeps the cores busier than threads inside one tile.
const LARGEST = 832 ** 2; // pixels of a tile; a worker then holds about half a gigabyte
const WORKERS = 4;
const file = (name) => new URL(name, import.meta.url);
const { margin, multiple } = await (await fetch(file("light.json"))).json();

let workers = [], usable = true; // whether a graphics card has not failed yet

// Where to compute: "webgpu" where the browser has a graphics card for it, else "wasm".
async function pickDevice() {
  if (!usable || !navigator.gpu || !("Suspending" in WebAssembly)) return "wasm";
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return adapter && !adapter.info.isFallbackAdapter ? "webgpu" : "wasm"; // no emulated card
}

// --- tiles ---------------------------------------------------------------------------------

// An axis in `count` equal parts [start, end] that begin at multiples of the coarsest grid.
function parts(size, count) {
  const step = multiple * Math.ceil(size / count / multiple);
  const starts = Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
  return starts.map((start) => [start, Math.min(start + step, size)]);
}

// With its surroundings, as far as there are any.
const widened = ([start, end], size) => [Math.max(0, start - margin), Math.min(end + margin, size)];

// The grid with which `hands` workers are done first, in tiles that fit into memory.
export function grid(rows, columns, hands) {
  let least = Infinity, tiles;
  const longest = (cuts, size) =>
    Math.max(...cuts.map((cut) => widened(cut, size)).map(([start, end]) => end - start));
  for (let down = 1; down <= 1 + rows / (2 * margin); down++) {
    for (let across = 1; across <= 1 + columns / (2 * margin); across++) {
      const [ys, xs] = [parts(rows, down), parts(columns, across)];
      const area = longest(ys, rows) * longest(xs, columns);
      const cost = Math.ceil((ys.length * xs.length) / hands) * area;
      if (area > LARGEST || cost >= least) continue;
      least = cost;
      tiles = ys.flatMap((y) => xs.map((x) => [y, x]));
    }
  }
  return tiles;
}

function mirrored(i, size) {
  if (size === 1) return 0;
  i %= 2 * (size - 1);
  return i < size ? i : 2 * (size - 1) - i;
}

// Rows top to bottom and columns left to right of a picture that is mirrored beyond its edges.
function crop(picture, [top, bottom], [left, right]) {
  const [width, height] = [right - left, bottom - top];
  const rgba = new Uint8ClampedArray(4 * width * height);
  const from = new Uint32Array(picture.data.buffer), to = new Uint32Array(rgba.buffer);
  for (let y = top, at = 0; y < bottom; y++) {
    const row = mirrored(y, picture.height) * picture.width;
    for (let x = left; x < right; x++) to[at++] = from[row + mirrored(x, picture.width)];
  }
  return { rgba, width, height };
}

function ask(worker, tile) {
  return new Promise((done, failed) => {
    worker.onmessage = ({ data }) => (data.error ? failed(Error(data.error)) : done(data.rgba));
    worker.onerror = (event) => failed(Error(event.message || "its files could not be loaded"));
    worker.postMessage(tile, [tile.rgba.buffer]);
  });
}

async function derainOn(device, picture, progress) {
  const { width, height } = picture;
  const [rows, columns] = [height, width].map((n) => n + Math.max(-n & 3, 16 - n)); // as in derain.py
  const hands = device === "wasm" ? Math.min(navigator.hardwareConcurrency || 1, WORKERS) : 1;
  const tiles = grid(rows, columns, hands);
  while (workers.length < Math.min(hands, tiles.length))
    workers.push(new Worker(file(`worker.js?${device}`), { type: "module" }));
  const result = new ImageData(width, height);
  let next = 0, done = 0;
  progress(done, tiles.length);
  await Promise.all(workers.map(async (worker) => {
    while (next < tiles.length) {
      const [y, x] = tiles[next++];
      const [from, left] = [widened(y, rows), widened(x, columns)];
      const tile = crop(picture, from, left);
      const rgba = await ask(worker, tile);
      for (let row = y[0]; row < Math.min(y[1], height); row++) {
        const at = 4 * ((row - from[0]) * tile.width + x[0] - left[0]);
        const length = 4 * (Math.min(x[1], width) - x[0]);
        result.data.set(rgba.subarray(at, at + length), 4 * (row * width + x[0]));
      }
      progress(++done, tiles.length);
    }
  }));
  return { result, device, tiles: tiles.length, hands: Math.min(hands, tiles.length) };
}

function dismiss() {
  workers.forEach((worker) => worker.terminate());
  workers = [];
}

// ImageData to {result: derained ImageData of the same size, with its transparency, device, tiles,
// hands}. `progress` is told tiles done and tiles in all; an AbortSignal stops the work;
// `insisted`, "webgpu" or "wasm", spares the choice and the second try.
export async function derain(picture, progress, signal, insisted) {
  const stopped = new Promise((_, failed) => {
    signal.addEventListener("abort", () => failed(signal.reason));
  });
  const run = (device) => Promise.race([stopped, derainOn(device, picture, progress)]);
  const device = insisted ?? await pickDevice();
  try {
    return await run(device);
  } catch (error) {
    dismiss(); // they may still be at work
    if (signal.aborted || insisted || device === "wasm") throw error;
    console.warn(`WebGPU failed, WebAssembly takes over: ${error.message}`);
    usable = false;
    return run("wasm").catch((error) => { dismiss(); throw error; });
  }
}
