// The page around the derainer: pictures in, pictures out. No module, so that it can say what is
// wrong where modules do not load: in a folder.
(() => {
  const here = document.currentScript.src;
  const $ = (name) => document.getElementById(`derain-${name}`);
  const MOST = 40e6; // pixels
  const inputs = ["file", "camera", "example", "shot"].map($);
  const insisted = ["wasm", "webgpu"].find((device) => location.search === `?on=${device}`);
  let work; // the AbortController of what is at work
  let derainer; // the module, from the first picture on
  let link; // the address of the result

  const say = (text) => ($("status").textContent = text);
  const fail = (text) => { say(""); $("error").textContent = text; };

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
    if (work) return;
    work = new AbortController();
    const { signal } = work;
    const before = document.activeElement; // to where the keyboard returns
    inputs.forEach((input) => (input.disabled = true));
    $("error").textContent = "";
    $("result").hidden = true;
    $("work").hidden = false;
    $("progress").value = 0;
    $("stop").focus();
    say(`Reading ${name} …`);
    try {
      const picture = await reading();
      const start = performance.now();
      const ran = await derain(picture, name, signal);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      await show(picture, ran.result, name);
      const where = ran.device === "webgpu" ? "the graphics card"
        : `${ran.hands} processor core${ran.hands > 1 ? "s" : ""}`;
      say(`${name}: ${picture.width} × ${picture.height} pixels derained in ${seconds} s ` +
        `(${ran.tiles} tile${ran.tiles > 1 ? "s" : ""} on ${where}).`);
    } catch (error) {
      if (signal.aborted) say(`Stopped: ${name} was not derained.`);
      else fail(error.message);
    }
    inputs.forEach((input) => (input.disabled = false));
    if (document.activeElement === $("stop")) (inputs.includes(before) ? before : $("file")).focus();
    $("work").hidden = true;
    work = undefined;
  }

  async function derain(picture, name, signal) {
    try {
      derainer ??= import(new URL("derainer.js", here));
      const { derain } = await derainer;
      signal.throwIfAborted();
      return await derain(picture, (done, all) => {
        $("progress").value = done / all;
        say(`${name}: ${done} of ${all} tiles derained …`);
      }, signal, insisted);
    } catch (error) {
      throw Error(`The derainer did not run (${error.message}). Reload the page, close other ` +
        "tabs if memory is short, or take a smaller picture.");
    }
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
  document.onpaste = (event) => takeFile(event.clipboardData.files[0]);
  const stop = () => work?.abort();
  $("stop").onclick = stop;
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop());

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
