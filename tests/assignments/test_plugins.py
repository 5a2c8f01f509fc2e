"""What a student shows reaches a browser as text and pictures only."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_output

from tests.assignments import course  # noqa: F401  (puts the grader on the path)

pytest.importorskip("nbgrader", reason="the extra [grading] is not installed")
pytest.importorskip("jupytext", reason="the extra [grading] is not installed")

from grader.plugins import TAG, _harmless  # noqa: E402

BAD = "<script>alert(1)</script>"


def shown(**data):
    return _harmless(
        new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})
    )


def test_html_scripts_and_false_pictures_are_dropped():
    assert shown(text_html=BAD) is None
    assert shown(image_png='"><script>') is None
    assert shown(text_html=BAD, text_plain="1", image_png="abc=").data.keys() == {
        "text/plain",
        "image/png",
    }


def test_our_figures_keep_their_alternative_text():
    picture = shown(text_html='<img alt="a &lt; b" width="9" src="data:image/png;base64,abc=">')
    assert picture.data == {"image/png": "abc="}
    assert picture.metadata["image/png"]["alt"] == "a < b"


def test_the_name_of_a_stream_is_ours():
    assert _harmless(new_output("stream", name=BAD, text="x")).name == "stdout"


def test_tags_in_a_text_become_text():
    assert TAG.sub("&lt;", f"1 < 2 {BAD}") == "1 < 2 &lt;script>alert(1)&lt;/script>"
