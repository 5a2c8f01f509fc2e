// The page around the network: pictures in, tiles to the workers, pictures out.
(() => {
  const here = document.currentScript.src;
  const $ = (name) => document.getElementById(`derain-${name}`);
  const TILE = 832; // a worker then holds about half a gigabyte
  const MOST = 40e6; // pixels
  const inputs = ["file", "camera", "example", "shot"].map($);
  let cut, workers, busy = false, link;

  const say = (text) => ($("status").textContent = text);
  const fail = (text) => { say(""); $("error").textContent = text; };

  // --- tiles, as cclgan_lite/inference/derain.py cuts them ---------------------------------

  function parts(size) {
    const { margin, multiple } = cut;
    const count = size <= TILE ? 1 : Math.ceil(size / (TILE - 2 * margin));
    const step = multiple * Math.ceil(size / count / multiple);
    const starts = Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
    return starts.map((start) => [start, Math.min(start + step, size)]);
  }

  const padded = (size) => size + Math.max((4 - (size % 4)) % 4, 16 - size);

  function mirrored(i, size) {
    if (size === 1) return 0;
    i %= 2 * (size - 1);
    return i < size ? i : 2 * (size - 1) - i;
  }

  function window_(picture, top, bottom, left, right) {
    const width = right - left;
    const rgba = new Uint8ClampedArray(4 * width * (bottom - top));
    const from = new Uint32Array(picture.data.buffer), to = new Uint32Array(rgba.buffer);
    for (let y = top, at = 0; y < bottom; y++) {
      const row = mirrored(y, picture.height) * picture.width;
      for (let x = left; x < right; x++) to[at++] = from[row + mirrored(x, picture.width)];
    }
    return { rgba, width, height: bottom - top };
  }

  function ask(worker, tile) {
    return new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data.error ? failed(Error(data.error)) : done(data.rgba));
      worker.onerror = (event) => failed(Error(event.message || "its files could not be loaded"));
      worker.postMessage(tile, [tile.rgba.buffer]);
    });
  }

  // ImageData to derained ImageData of the same size; transparency stays.
  async function derain(picture, progress) {
    if (!cut) {
      const answer = await fetch(new URL("light.json", here));
      if (!answer.ok) throw Error(`light.json: ${answer.status}`);
      cut = await answer.json();
    }
    const [rows, columns] = [padded(picture.height), padded(picture.width)];
    let tiles = [[0, rows, 0, columns]];
    if (rows * columns > TILE ** 2)
      tiles = parts(rows).flatMap((y) => parts(columns).map((x) => [...y, ...x]));
    const most = Math.min(navigator.hardwareConcurrency || 1, 4);
    workers ??= [];
    while (workers.length < Math.min(most, tiles.length))
      workers.push(new Worker(new URL("worker.js", here), { type: "module" }));
    const result = new ImageData(picture.width, picture.height);
    let next = 0, done = 0;
    progress(done, tiles.length);
    await Promise.all(workers.map(async (worker) => {
      while (next < tiles.length) {
        const [top, bottom, left, right] = tiles[next++];
        const y = Math.max(0, top - cut.margin), x = Math.max(0, left - cut.margin);
        const end = Math.min(right + cut.margin, columns);
        const tile = window_(picture, y, Math.min(bottom + cut.margin, rows), x, end);
        const rgba = await ask(worker, tile);
        for (let row = top; row < Math.min(bottom, picture.height); row++) {
          const from = 4 * ((row - y) * tile.width + left - x);
          const length = 4 * (Math.min(right, picture.width) - left);
          result.data.set(rgba.subarray(from, from + length), 4 * (row * picture.width + left));
        }
        progress(++done, tiles.length);
      }
    }));
    return { result, tiles: tiles.length };
  }

  // --- the page ----------------------------------------------------------------------------

  function draw(canvas, picture) {
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  function removed(before, after) {
    const layer = new ImageData(before.width, before.height);
    for (let i = 0; i < layer.data.length; i++)
      layer.data[i] = i % 4 === 3 ? 255 : 128 + 4 * (before.data[i] - after.data[i]);
    return layer;
  }

  async function show(before, after, name) {
    draw($("before"), before);
    draw($("after"), after);
    const blob = await new Promise((done) => $("after").toBlob(done, "image/png"));
    URL.revokeObjectURL(link);
    $("download").href = link = URL.createObjectURL(blob);
    $("download").download = `${name.replace(/\.[^.]*$/, "")}-derained.png`;
    $("removed").checked = false;
    $("removed").onchange = () => {
      const layer = $("removed").checked;
      draw($("after"), layer ? removed(before, after) : after);
      $("after").setAttribute("aria-label", layer ? "What was removed" : "Your picture, derained");
    };
    move();
    $("result").hidden = false;
  }

  const move = () => $("stage").style.setProperty("--line", `${$("line").value}%`);

  function pixels(source, width, height) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(source, 0, 0);
    return context.getImageData(0, 0, width, height);
  }

  async function read(blob, name) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob);
    } catch {
      throw Error(`${name} cannot be read as a picture. Browsers read JPEG, PNG, WebP, AVIF, GIF ` +
        "and BMP: open it in a photo program and save it as JPEG or PNG.");
    }
    const { width, height } = bitmap;
    if (width * height > MOST)
      throw Error(`${name} has ${Math.round(width * height / 1e6)} megapixels, more than a page ` +
        "can hold: use `cclgan-lite derain`, or make it smaller.");
    return pixels(bitmap, width, height);
  }

  async function take(name, reading) {
    if (busy) return;
    busy = true;
    inputs.forEach((input) => (input.disabled = true));
    $("error").textContent = "";
    $("result").hidden = true;
    say(`Reading ${name} …`);
    try {
      const before = await reading();
      $("progress").hidden = false;
      const start = performance.now();
      let ran;
      try {
        ran = await derain(before, (done, all) => {
          $("progress").value = done / all;
          say(`${name}: ${done} of ${all} tiles derained …`);
        });
      } catch (error) {
        workers?.forEach((worker) => worker.terminate());
        workers = undefined;
        throw Error(`The derainer did not run (${error.message}). Reload the page, close other ` +
          "tabs if memory is short, or take a smaller picture.");
      }
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      await show(before, ran.result, name);
      say(`${name}: ${before.width} × ${before.height} pixels derained in ${seconds} s ` +
        `(${ran.tiles} tile${ran.tiles > 1 ? "s" : ""}, ${workers.length} at a time).`);
    } catch (error) {
      fail(error.message);
    }
    $("progress").hidden = true;
    inputs.forEach((input) => (input.disabled = false));
    busy = false;
  }

  const takeFile = (file) => file && take(file.name, () => read(file, file.name));

  $("file").onchange = () => { takeFile($("file").files[0]); $("file").value = ""; };
  $("example").onclick = () => take("example.png", async () => {
    const answer = await fetch(new URL("example.png", here));
    return read(await answer.blob(), "example.png");
  });
  $("drop").ondragover = (event) => { event.preventDefault(); $("drop").classList.add("over"); };
  $("drop").ondragleave = () => $("drop").classList.remove("over");
  $("drop").ondrop = (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) takeFile(file);
    else fail("That was no file: save the picture first, then drop the file.");
  };

  const off = () => {
    $("video").srcObject?.getTracks().forEach((track) => track.stop());
    $("video").srcObject = null;
    $("live").hidden = true;
    $("camera").focus();
  };
  $("camera").onclick = async () => {
    $("error").textContent = "";
    try {
      $("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
      await $("video").play();
      $("live").hidden = false;
      $("shot").focus();
    } catch (error) {
      fail(`There is no picture from a camera (${error.message}). Allow it for this page, which ` +
        "has to come over https or from localhost, or choose a file.");
    }
  };
  $("shot").onclick = () => {
    const picture = pixels($("video"), $("video").videoWidth, $("video").videoHeight);
    off();
    take("camera.png", async () => picture);
  };
  $("off").onclick = off;

  $("line").oninput = move;
  $("stage").onpointermove = (event) => {
    if (event.pointerType === "mouse" && !event.buttons) return;
    const box = $("stage").getBoundingClientRect();
    $("line").value = (100 * (event.clientX - box.left)) / box.width;
    move();
  };

  if (location.protocol === "file:") {
    inputs.forEach((input) => (input.disabled = true));
    fail("This page was opened from a folder, where browsers do not let it run the network. In the " +
      "folder of the site run `python -m http.server` and open http://localhost:8000/derain.html.");
  }
})();
