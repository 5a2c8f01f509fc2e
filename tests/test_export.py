"""The exported derainer under onnxruntime."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cclgan_lite import cli
from cclgan_lite.inference.derain import MULTIPLE
from cclgan_lite.inference.export import export_onnx
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.networks import RestorationConfig


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["light", "demo"])
def test_onnxruntime_derains_like_pytorch(tmp_path, weights):
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"needs {needed}: pip install 'cclgan_lite[test]'")
    import onnxruntime

    cli.main(["export", "--to", str(tmp_path / "derainer.onnx"), "--weights", weights])
    assert [file.name for file in tmp_path.iterdir()] == ["derainer.onnx"]  # weights are inside
    onnxruntime.set_default_logger_severity(4)  # what it refuses is told by exceptions
    session = onnxruntime.InferenceSession(
        tmp_path / "derainer.onnx", providers=["CPUExecutionProvider"]
    )
    derainer = load_derainer(weights)
    sides = st.integers(4, 24).map(MULTIPLE.__mul__) | st.integers(1, 99)

    @given(st.integers(1, 3), sides, sides)
    def agree(batch, height, width):
        rainy = torch.rand(batch, 3, height, width) * 2 - 1
        try:
            expected = derainer(rainy).numpy()
        except RuntimeError:  # a size that it cannot take is refused by both
            assert height % MULTIPLE or width % MULTIPLE or min(height, width) < 16
            with pytest.raises(Exception, match="ONNXRuntimeError"):
                session.run(["derained"], {"rainy": rainy.numpy()})
            return
        (derained,) = session.run(["derained"], {"rainy": rainy.numpy()})
        assert np.abs(expected - rainy.numpy()).max() > 0.1
        np.testing.assert_allclose(derained, expected, atol=1e-5)

    agree()


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SystemExit, match=r"onnxscript.*cclgan_lite\[onnx\]"):
        cli.main(["export", "--to", str(tmp_path / "derainer.onnx")])
    assert not any(tmp_path.iterdir())


def test_veil_is_refused_before_any_work(tmp_path):
    derainer = RestorationConfig(4, 1, veil=4).build()
    with pytest.raises(ValueError, match="veil.*weights that it was adapted from"):
        export_onnx(derainer, tmp_path / "derainer.onnx")
    assert not any(tmp_path.iterdir())
