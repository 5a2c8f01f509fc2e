"""The default derainer as an ONNX file for browsers: small to fetch, quick in WebAssembly.

Weights are float16, as they are shipped; what is computed is float32. Convolutions of the residual
blocks are done by F(4 x 4, 3 x 3) of Winograd's minimal filtering (Lavin & Gray, arXiv:1509.09308,
section 4.2): a tile of 4 x 4 outputs, from 6 x 6 inputs, takes 36 multiplications per pair of
channels instead of 144.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cclgan_lite.inference.derain import MULTIPLE
from cclgan_lite.inference.export import export_onnx
from cclgan_lite.inference.weights import DEFAULT_WEIGHTS, load_derainer

INPUT = np.array(  # B^T of the paper: of an input tile d, B^T d B
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array(  # A^T
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


def export_for_browsers(path: Path) -> None:
    """Write the network, for one picture at a time, to `path` and how to cut a picture into tiles
    to `path`.json: `margin`, surroundings of a tile, and `multiple`, where tiles may begin."""
    derainer = load_derainer(DEFAULT_WEIGHTS)
    config = derainer.config
    assert not config.normalises  # else tiles need the statistics of the picture
    export_onnx(derainer, path)
    model = onnx.load(path)
    use_winograd(model)
    avoid_six_channels(model)
    halve_weights(model)
    del model.graph.value_info[:]  # shapes of before
    onnx.checker.check_model(model)
    onnx.save(model, path)
    cut = {"margin": config.context, "multiple": MULTIPLE}
    path.with_suffix(".json").write_text(json.dumps(cut))


def halve_weights(model: ModelProto) -> None:
    """Store float32 weights as float16, cast back when the file is loaded."""
    weights, casts = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.dims:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            casts.append(
                helper.make_node(
                    "Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT
                )
            )
            tensor = numpy_helper.from_array(half, f"{tensor.name}.half")
        weights.append(tensor)
    _replace(model.graph.initializer, weights)
    _replace(model.graph.node, [*casts, *model.graph.node])


def use_winograd(model: ModelProto) -> None:
    """Replace the 3 x 3 convolutions with stride 1 and without padding, for batches of one."""
    nodes = []
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        fits = node.op_type == "Conv" and list(weights[node.input[1]][2:]) == [3, 3]
        if fits and options["strides"] == [1, 1] and options["pads"] == [0] * 4:
            nodes += _winograd(node, *weights[node.input[1]][:2])
        else:
            nodes.append(node)
    _replace(model.graph.node, nodes)


def avoid_six_channels(model: ModelProto) -> None:
    """Widen convolutions of 6, 9, 15... channels to a multiple of 4 by zeros: ONNX Runtime Web
    1.30 computes them wrongly on WebGPU (github.com/microsoft/onnxruntime/issues/29651)."""
    nodes = []
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "Conv" else None
        channels = weight.dims[1] if weight else 0
        if channels > 3 and channels % 3 == 0 and channels % 4:
            pads = np.array([0, 0, 0, 0, 0, -channels % 4, 0, 0])
            name = f"{node.output[0]}.widened"
            nodes.append(
                helper.make_node(
                    "Constant", [], [f"{name}.pads"], value=numpy_helper.from_array(pads)
                )
            )
            nodes.append(helper.make_node("Pad", [node.input[0], f"{name}.pads"], [name]))
            node.input[0] = name
            values = np.pad(numpy_helper.to_array(weight), [(0, 0), (0, pads[5]), (0, 0), (0, 0)])
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        nodes.append(node)
    _replace(model.graph.node, nodes)


def _winograd(conv: NodeProto, out: int, channels: int) -> list[NodeProto]:
    """Nodes for [1, channels, H + 2, W + 2] -> [1, out, H, W]; h, w: H / 4, W / 4 rounded up."""
    x, weight, bias = conv.input
    (y,) = conv.output
    nodes = []

    def add(op: str, *inputs: str, name: str = "", **options) -> str:
        name = name or f"{y}.{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], **options))
        return name

    def constant(values: np.ndarray | list[int]) -> str:
        values = np.asarray(values)
        kind = np.int64 if values.ndim == 1 else np.float32
        return add("Constant", value=numpy_helper.from_array(values.astype(kind)))

    def shaped(value: str, *shape: int) -> str:  # 0 keeps an axis, -1 takes the rest
        return add("Reshape", value, constant(shape))

    # Kernels, once when the file is loaded: [out, channels, 3, 3] -> [36 out, channels, 1, 1].
    kernel = add("MatMul", shaped(weight, -1, 9), constant(np.kron(KERNEL, KERNEL).T))
    kernel = shaped(add("Transpose", kernel, perm=[1, 0]), 36 * out, channels, 1, 1)
    # Tiles, every channel by itself: [channels, 36, h, w]. Where H or W is no multiple of 4, zeros
    # fill up the last tiles, and what comes of them is cut off again.
    taps = constant(np.kron(INPUT, INPUT).reshape(36, 1, 6, 6))
    tiles = add("Conv", shaped(x, channels, 1, 0, 0), taps, strides=[4, 4], pads=[0, 0, 3, 3])
    # Their 36 values, each by itself across the channels: [36, out, h, w].
    tiles = shaped(add("Transpose", tiles, perm=[1, 0, 2, 3]), 1, 36 * channels, 0, 0)
    tiles = shaped(add("Conv", tiles, kernel, group=36), 36, out, 0, 0)
    # Back to pixels: [out, 1, 4 h, 4 w].
    tiles = add("Transpose", tiles, perm=[1, 0, 2, 3])
    taps = constant(np.kron(OUTPUT.T, OUTPUT.T).reshape(36, 1, 4, 4))
    pixels = shaped(add("ConvTranspose", tiles, taps, strides=[4, 4]), 1, out, 0, 0)
    pixels = add("Add", pixels, shaped(bias, 1, out, 1, 1))
    size = add("Sub", add("Shape", x, start=2), constant([2]))
    add("Slice", pixels, constant([0, 0]), size, constant([2, 3]), name=y)
    return nodes


def _replace(items, by) -> None:
    by = list(by)
    del items[:]
    items.extend(by)
