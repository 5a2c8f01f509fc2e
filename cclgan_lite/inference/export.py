"""A derainer as an ONNX file, for programs without PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch

from cclgan_lite.files import refuse_unwritable, write_atomically
from cclgan_lite.inference.derain import MULTIPLE
from cclgan_lite.networks import Generator


def export_onnx(derainer: Generator, path: str | Path) -> None:
    """Write `derainer`, in evaluation mode and on the CPU, as one ONNX file, weights included.

    Input `rainy` and output `derained` are float32 [batch, 3, height, width] in [-1, 1]; batch,
    height and width are free, height and width multiples of 4 and at least 16.

    Raises ValueError where the packages of `pip install 'cclgan_lite[onnx]'` are missing or the
    derainer takes veil off, OSError where the file cannot be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{error}: pip install 'cclgan_lite[onnx]'") from error
    if derainer.veil is not None:
        raise ValueError(
            "a derainer that takes veil off counts in squares that grow with the picture, which "
            "ONNX files cannot: export the weights that it was adapted from"
        )
    refuse_unwritable(path)
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "rows", "columns"))
    program = torch.onnx.export(
        derainer,
        (torch.zeros(2, 3, 64, 96),),
        input_names=["rainy"],
        output_names=["derained"],
        dynamic_shapes=({0: batch, 2: MULTIPLE * height, 3: MULTIPLE * width},),
        dynamo=True,
        verbose=False,
    )
    write_atomically(path, lambda file: program.save(file, external_data=False))
