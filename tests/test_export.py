"""The exported derainer under onnxruntime."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from cclgan_lite import cli
from cclgan_lite.inference.weights import load_derainer


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["light", "demo"])
def test_onnxruntime_derains_like_pytorch(tmp_path, weights):
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"needs {needed}: pip install 'cclgan_lite[test]'")
    import onnxruntime

    cli.main(["export", "--to", str(tmp_path / "derainer.onnx"), "--weights", weights])
    assert [file.name for file in tmp_path.iterdir()] == ["derainer.onnx"]  # weights are inside
    session = onnxruntime.InferenceSession(
        tmp_path / "derainer.onnx", providers=["CPUExecutionProvider"]
    )
    derainer = load_derainer(weights)
    for shape in [(1, 3, 64, 100), (2, 3, 128, 16)]:
        rainy = torch.rand(shape) * 2 - 1
        (derained,) = session.run(["derained"], {"rainy": rainy.numpy()})
        expected = derainer(rainy).numpy()
        assert np.abs(expected - rainy.numpy()).max() > 0.1
        np.testing.assert_allclose(derained, expected, atol=1e-5)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SystemExit, match=r"onnxscript.*cclgan_lite\[onnx\]"):
        cli.main(["export", "--to", str(tmp_path / "derainer.onnx")])
    assert not any(tmp_path.iterdir())
