"""CLIP surgery against its equations."""

import pytest
import torch
import torch.nn.functional as F

from cclgan_lite.evaluation.clip_dense import (
    PATHS,
    SIDE,
    TEXTS,
    WINDOWS,
    dense_figure,
    half_rainy,
    half_scores,
    rain_maps,
    surgery_tokens,
    value_attention,
)
from cclgan_lite.evaluation.clip_probe import held_out_scene
from cclgan_lite.networks.embedder import load_clip


@pytest.fixture(scope="module")
def clip():
    return load_clip("tiny-rain-clip")


def test_value_attention_by_a_slow_loop(clip):
    block = clip[0].visual.transformer.resblocks[1]
    x = torch.randn(1, 5, 128)
    weight, bias = block.attn.in_proj_weight[256:], block.attn.in_proj_bias[256:]
    values = block.ln_1(x)[0] @ weight.T + bias
    mixed = torch.zeros(5, 128)
    for head in range(4):
        v = values[:, head * 32 : head * 32 + 32]
        for i in range(5):
            share = torch.softmax(torch.stack([v[i] @ v[j] for j in range(5)]) / 32**0.5, 0)
            mixed[i, head * 32 : head * 32 + 32] = sum(share[j] * v[j] for j in range(5))
    torch.testing.assert_close(
        value_attention(block, x)[0], block.attn.out_proj(mixed), atol=1e-5, rtol=1e-4
    )


def test_second_path_starts_beside_the_last_blocks(clip):
    embedder, visual = clip[0], clip[0].visual
    image = torch.rand(2, 3, 112, 112) * 2 - 1
    x = visual._embeds(embedder.preprocess(image))
    blocks = visual.transformer.resblocks
    for block in blocks[:-2]:
        x = block(x)
    path = x + value_attention(blocks[1], x)
    path = path + value_attention(blocks[2], blocks[1](x))
    expected = visual.ln_post(path)[:, 1:] @ visual.proj
    torch.testing.assert_close(surgery_tokens(embedder, image, blocks=2), expected)
    assert surgery_tokens(embedder, image).shape == embedder.patch_tokens(image).shape


def test_maps_are_cosines_and_the_common_part_is_gone(clip):
    embedder, tokenizer, encode_text = clip
    image = torch.rand(1, 3, 112, 112) * 2 - 1
    maps = rain_maps(*clip, image)
    assert set(maps) == {*PATHS, WINDOWS} and maps["both"].shape == (1, *embedder.visual.grid_size)
    token = F.normalize(embedder.patch_tokens(image)[0, 14 * 2 + 5], dim=0)  # row 2, column 5
    texts = encode_text(tokenizer(list(TEXTS)))
    cosines = [(token @ text).item() for text in texts]
    assert maps["plain tokens"][0, 2, 5].item() == pytest.approx(cosines[0], abs=1e-5)
    assert maps["common part removed"][0, 2, 5].item() == pytest.approx(
        cosines[0] - sum(cosines) / 4, abs=1e-5
    )
    assert maps[WINDOWS].shape == (1, 2, 2)
    window = embedder.normalized(image[..., SIDE:, :SIDE])[0]  # row 1, column 0
    cosines = [(window @ text).item() for text in texts]
    assert maps[WINDOWS][0, 1, 0].item() == pytest.approx(cosines[0] - sum(cosines) / 4, abs=1e-5)


def test_it_rains_in_one_half():
    for index in (0, 1):
        picture, left = half_rainy(index)
        clear = held_out_scene(index, 224, 224)[0]["clear"]
        same = [(picture == clear)[:, half].mean() for half in (slice(0, 112), slice(112, 224))]
        assert left == (index == 0) and same[left] == 1 and same[not left] < 0.8


def test_windows_find_the_rainy_half(clip):
    scores = half_scores(*clip, range(4))
    assert scores[WINDOWS] > 0.7 and set(scores) == {*PATHS, WINDOWS}
    figure = dense_figure(*clip, scenes=(0,))
    assert len(figure.axes) == 6 and figure.axes[0].get_title() == "rain on the left"
