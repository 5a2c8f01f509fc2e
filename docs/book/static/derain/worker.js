// Derains tiles, one at a time, on the device that the address names: worker.js?wasm or ?webgpu.
const device = self.location.search.slice(1);
const runtime = "../onnxruntime-web/";

async function open() {
  const ort = await import(`${runtime}ort.${device === "webgpu" ? "jspi" : "wasm"}.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL(runtime, import.meta.url).href;
  const network = new URL("light.onnx", import.meta.url).href;
  const options = { executionProviders: [device], logSeverityLevel: 3 }; // errors alone
  const session = await ort.InferenceSession.create(network, options);
  return { ort, session };
}

const opened = open();
opened.catch(() => {}); // told with the first tile

// {rgba, width, height}, sides multiples of 4, to the derained rgba.
async function derain({ rgba, width, height }) {
  const { ort, session } = await opened;
  const size = width * height;
  const rainy = new Float32Array(3 * size);
  for (let i = 0; i < size; i++)
    for (let c = 0; c < 3; c++) rainy[c * size + i] = rgba[4 * i + c] / 127.5 - 1;
  const feeds = { rainy: new ort.Tensor("float32", rainy, [1, 3, height, width]) };
  const { derained } = await session.run(feeds);
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
