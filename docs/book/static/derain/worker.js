// One core's share: derains tiles, one at a time. Several workers with a thread each need no
// cross-origin isolation, which plain web hosts (GitHub Pages) do not give.
import * as ort from "../onnxruntime-web/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("../onnxruntime-web/", import.meta.url).href;
const session = ort.InferenceSession.create(new URL("light.onnx", import.meta.url).href);

// {rgba, width, height}, sides multiples of 4, to the derained rgba.
async function derain({ rgba, width, height }) {
  const size = width * height;
  const rainy = new Float32Array(3 * size);
  for (let i = 0; i < size; i++)
    for (let c = 0; c < 3; c++) rainy[c * size + i] = rgba[4 * i + c] / 127.5 - 1;
  const feeds = { rainy: new ort.Tensor("float32", rainy, [1, 3, height, width]) };
  const { derained } = await (await session).run(feeds);
  for (let i = 0; i < size; i++)
    for (let c = 0; c < 3; c++) // the array clamps and rounds
      rgba[4 * i + c] = (derained.data[c * size + i] + 1) * 127.5;
  derained.dispose();
  return rgba;
}

onmessage = async ({ data }) => {
  try {
    const rgba = await derain(data);
    postMessage({ rgba }, [rgba.buffer]);
  } catch (error) {
    postMessage({ error: String(error.message ?? error) });
  }
};
