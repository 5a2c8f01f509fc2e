"""Embedders: open_clip's numbers, on tensors, with gradients; clear words where weights lack."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub import constants
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from cclgan_lite.data.captions import WORDS
from cclgan_lite.inference.weights import shipped_weights
from cclgan_lite.losses import Adversarial, InterCCL
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import GeneratorConfig
from cclgan_lite.networks.embedder import (
    EmbedderError,
    ImageEmbedder,
    build_embedder,
    load_clip,
)
from cclgan_lite.networks.tiny_clip import SHIPPED, build_tiny_clip, tiny_clip_bytes
from cclgan_lite.training.step import Step

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
TOWERS = {
    "tiny-vit": VIT,
    "tiny-vit-avg": VIT | {"pool_type": "avg"},
    "tiny-vit-late": VIT | {"pool_type": "avg", "final_ln_after_pool": True},
    "tiny-resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """{architecture: checkpoint} of small random models that open_clip knows by name."""
    folder = tmp_path_factory.mktemp("clip")
    for name, tower in TOWERS.items():
        config = {"embed_dim": 16, "vision_cfg": tower, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    files = {name: folder / f"{name}.safetensors" for name in TOWERS}
    for name, file in files.items():
        torch.manual_seed(0)
        save_file(open_clip.create_model(name).state_dict(), file)
    return files


@pytest.fixture
def embedder(checkpoints) -> ImageEmbedder:
    return build_embedder(f"tiny-vit/{checkpoints['tiny-vit']}")


def photograph(size: int) -> Image.Image:
    """Smooth content, as Pillow and torch round differently at hard edges."""
    small = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1


def equals_open_clip(embedder: ImageEmbedder, model: nn.Module, size: int, atol: float) -> None:
    """Against open_clip's own preprocessing of a PIL image and its own `encode_image`."""
    preprocess = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    own = open_clip.transform.image_transform_v2(preprocess, is_train=False)
    model.eval()
    with torch.no_grad():
        expected = model.encode_image(own(photograph(size))[None])
        torch.testing.assert_close(
            embedder(tensor(photograph(size))), expected, atol=atol, rtol=1e-4
        )
        larger = photograph(size * 8 // 7)  # Pillow resizes in 8 bits
        expected = model.encode_image(own(larger)[None], normalize=True)
        assert (embedder.normalized(tensor(larger)) * expected).sum() > 0.999


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("name", TOWERS)
def test_equals_open_clip(checkpoints, tmp_path, name, suffix):
    model = open_clip.create_model(name, pretrained=str(checkpoints[name]))
    file = checkpoints[name]
    if suffix == ".pt":  # as a training run of open_clip leaves it
        file = tmp_path / "epoch_1.pt"
        torch.save({"epoch": 1, "state_dict": model.state_dict()}, file)
    equals_open_clip(build_embedder(f"{name}/{file}"), model, 32, atol=1e-5)


@pytest.mark.slow
def test_real_architecture_from_a_file(tmp_path):
    model = open_clip.create_model("ViT-B-32-quickgelu")
    file = tmp_path / "vit.safetensors"
    save_file(model.state_dict(), file)
    embedder = build_embedder(f"ViT-B-32-quickgelu/{file}")
    equals_open_clip(embedder, model, 224, atol=1e-4)
    assert embedder.patch_tokens(torch.zeros(1, 3, 256, 256)).shape == (1, 49, 512)
    file.unlink()  # 600 MB


@pytest.mark.parametrize("size", [(32, 48), (256, 256), (321, 481), (5, 7), (33, 32)])
def test_any_size(embedder, size):
    image = torch.rand(2, 3, *size) * 2 - 1
    assert embedder(image).shape == (2, 16)
    assert embedder.patch_tokens(image).shape == (2, 16, 16)
    torch.testing.assert_close(embedder.normalized(image).norm(dim=1), torch.ones(2))
    # CLIP's own crop, on tensors.
    own = Resize(32, InterpolationMode.BICUBIC)(image)
    expected = CenterCrop(32)(own)
    cropped = ImageEmbedder(embedder.visual, "center").preprocess(image)
    torch.testing.assert_close(cropped * embedder.std + embedder.mean, (expected + 1) / 2)
    grey = embedder(torch.zeros(1, 3, *size, requires_grad=True))
    assert grey.isfinite().all()


def test_square_images_need_no_crop_policy(embedder):
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    center = ImageEmbedder(embedder.visual, "center")
    torch.testing.assert_close(embedder(image), center(image))
    wide = torch.rand(1, 3, 32, 96) * 2 - 1
    edge = wide.clone()
    edge[..., :20] = 0
    torch.testing.assert_close(center(wide), center(edge))  # does not see it
    assert (embedder(wide) - embedder(edge)).abs().max() > 1e-3
    with pytest.raises(ValueError, match="no crop policy 'nix'"):
        ImageEmbedder(embedder.visual, "nix")


def test_mean_and_std_by_hand(embedder):
    visual = embedder.visual
    visual.preprocess_cfg |= {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 0.125)}
    seen = ImageEmbedder(visual).preprocess(torch.full((1, 3, 8, 8), -0.2))  # 0.4 in [0, 1]
    assert seen.shape == (1, 3, 32, 32)
    expected = torch.tensor([0.6, 0.8, 0.8]).view(1, 3, 1, 1).expand_as(seen)
    torch.testing.assert_close(seen, expected)


@pytest.mark.parametrize("crop", ["squash", "center"])
def test_gradient_equals_finite_differences(embedder, crop):
    embedder = ImageEmbedder(embedder.visual, crop).double()
    image = torch.rand(1, 3, 40, 56, dtype=torch.float64, requires_grad=True)
    along, weights = torch.randn_like(image), torch.randn(16, dtype=torch.float64)

    def value(x):
        features = embedder.encode(x, ("embedding", "tokens"))
        return (features["embedding"] + features["tokens"].mean(1)) @ weights

    (gradient,) = torch.autograd.grad(value(image).sum(), image)
    step = 1e-5
    slope = (value(image + step * along) - value(image - step * along)) / (2 * step)
    torch.testing.assert_close((gradient * along).sum(), slope[0].detach(), rtol=1e-6, atol=0)
    assert embedder(image).dtype == torch.float64
    rows = gradient.abs().sum((0, 1, 2)) > 0
    assert rows.all() == (crop == "squash")  # a centre crop leaves the borders without gradient


@pytest.mark.parametrize("name", TOWERS)
def test_frozen_for_good(checkpoints, name):
    embedder = build_embedder(f"{name}/{checkpoints[name]}")
    image = torch.rand(2, 3, 40, 56, requires_grad=True)
    before = embedder(image)
    parent = nn.ModuleDict({"embedder": embedder}).train()
    assert not any(module.training for module in embedder.modules())
    before.sum().backward()
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad or p.grad is not None for p in parent.parameters())
    torch.testing.assert_close(embedder(image), before)
    torch.testing.assert_close(embedder.encode(image, embedder.taps)["embedding"], before)


def test_random_embedder():
    embedder = build_embedder("random")
    state = torch.get_rng_state()
    again = build_embedder("random")
    assert torch.equal(state, torch.get_rng_state())  # does not disturb the run's random numbers
    image = torch.rand(2, 3, 40, 56, requires_grad=True)
    embedding = embedder.encode(image, embedder.taps)["embedding"]
    assert embedding.shape[0] == 2
    torch.testing.assert_close(embedding, again(image))
    assert not any(p.requires_grad for p in embedder.parameters())
    embedding.sum().backward()
    assert image.grad.abs().sum() > 0


def test_loading_leaves_the_random_numbers_alone(checkpoints):
    state = torch.get_rng_state()
    build_embedder(f"tiny-vit/{checkpoints['tiny-vit']}")
    assert torch.equal(state, torch.get_rng_state())


def test_autocast_changes_nothing(embedder):
    image = (torch.rand(2, 3, 40, 56) * 2 - 1).bfloat16()
    expected = embedder(image)
    with torch.autocast("cpu", torch.bfloat16):
        assert (embedder.visual(embedder.preprocess(image))[0] - expected).abs().max() > 1e-4
        features = embedder.encode(image, ("embedding", "tokens"))
        embedding = features["embedding"]
    assert embedding.dtype == features["tokens"].dtype == torch.float32
    torch.testing.assert_close(embedding, expected)


def test_no_overflow_in_half_precision(embedder):
    block = embedder.visual.transformer.resblocks[0].mlp
    with torch.no_grad():
        block.c_fc.weight *= 1e6
        block.c_proj.weight *= 1e-6
    image = (torch.rand(2, 3, 32, 32) * 2 - 1).half()
    with torch.autocast("cpu", torch.float16):
        assert not embedder.visual(embedder.preprocess(image))[0].isfinite().all()
        assert embedder(image).isfinite().all()


def test_positives_and_negatives_keep_no_graph(embedder):
    method = CCLGAN(
        generator=GeneratorConfig(filters=4, blocks=1),
        adversarial=Adversarial(weight=0),
        inter=InterCCL(weight=0),
    )
    networks = nn.ModuleDict(method.networks() | {"embedder": embedder})
    looks = [look for term in method.terms().values() for look in term.looks()]
    images = {name: torch.rand(2, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    step = Step(networks, method.wiring, looks, images)
    loss = method.intra(step)["generators"]
    graph = {
        name: step.features("embedder", name)["embedding"].requires_grad
        for name in ("rainy", "clean", "derained", "rained", "rerained", "rederained")
    }
    assert graph == dict.fromkeys(graph, False) | {"rerained": True, "rederained": True}
    loss.backward()
    assert next(networks["derainer"].parameters()).grad.abs().sum() > 0
    # One pass over a batch gives what single images give.
    torch.testing.assert_close(
        step.features("embedder", "derained")["embedding"],
        embedder(step.image("derained")),
        atol=1e-5,
        rtol=1e-4,
    )


def test_patch_tokens(checkpoints):
    image = torch.rand(2, 3, 40, 40)
    vit = build_embedder(f"tiny-vit/{checkpoints['tiny-vit']}")
    last = vit.visual.forward_intermediates(
        vit.preprocess(image), indices=1, normalize_intermediates=True, output_fmt="NLC"
    )["image_intermediates"][0]
    torch.testing.assert_close(vit.patch_tokens(image), last @ vit.visual.proj)
    # A model that averages its patches is linear after that: the mean token is the embedding.
    avg = build_embedder(f"tiny-vit-avg/{checkpoints['tiny-vit-avg']}")
    torch.testing.assert_close(avg.patch_tokens(image).mean(1), avg(image), atol=1e-5, rtol=1e-4)
    # A model that normalises after averaging: so are its tokens.
    late = build_embedder(f"tiny-vit-late/{checkpoints['tiny-vit-late']}")
    raw = late.visual(late.preprocess(image))[1]
    expected = F.layer_norm(raw, (32,)) @ late.visual.proj
    torch.testing.assert_close(late.patch_tokens(image), expected, atol=1e-5, rtol=1e-4)
    resnet = build_embedder(f"tiny-resnet/{checkpoints['tiny-resnet']}")
    with pytest.raises(ValueError, match="no patch tokens in ModifiedResNet"):
        resnet.patch_tokens(image)
    with pytest.raises(ValueError, match="no tap.*block9"):
        vit.encode(image, ("block9",))


def test_texts(checkpoints):
    name = f"tiny-vit/{checkpoints['tiny-vit']}"
    embedder, tokenizer, encode_text = load_clip(name)
    tokens = tokenizer(["a rainy street", "a clear road"])
    texts = encode_text(tokens)
    assert tokens.shape == (2, 16)
    model = open_clip.create_model("tiny-vit", pretrained=name.partition("/")[2]).eval()
    torch.testing.assert_close(texts, model.encode_text(tokens, normalize=True).detach())
    assert not texts.requires_grad
    torch.testing.assert_close(
        embedder(torch.zeros(1, 3, 9, 9)), build_embedder(name)(torch.zeros(1, 3, 9, 9))
    )


def test_a_known_tag_comes_from_the_cache_with_its_own_settings(
    checkpoints, tmp_path, monkeypatch
):
    """No network is asked; mean, std and activation are those of the tag."""
    tag = {
        "hf_hub": "someone/tiny/",
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"openai": tag})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--someone--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text("abc")
    (repo / "snapshots/abc").mkdir(parents=True)
    shutil.copy(checkpoints["tiny-vit"], repo / "snapshots/abc/open_clip_model.safetensors")
    embedder = build_embedder("tiny-vit/openai")
    assert embedder.mean.flatten().tolist() == [0.5] * 3
    assert embedder.std.flatten().tolist() == [0.25] * 3 and embedder.resample == "bilinear"
    plain = build_embedder(f"tiny-vit/{checkpoints['tiny-vit']}")
    image = torch.rand(1, 3, 32, 32)
    x = embedder.preprocess(image)
    assert (embedder.visual(x)[0] - plain.visual(x)[0]).abs().max() > 1e-4  # quick GELU
    assert "quick_gelu" in tag  # open_clip's registry is as before


def test_no_network_and_no_cache_is_told_at_once(tmp_path):
    """Through the command line, with a Hub that nobody answers for."""
    for kind in ("rainy", "clean"):
        (tmp_path / kind).mkdir()
        photograph(300).save(tmp_path / kind / "a.png")
    environment = os.environ | {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        environment.pop(name, None)
    command = [
        sys.executable,
        "-m",
        "cclgan_lite",
        "train",
        "--recipe",
        "paper",
        "--rainy",
        tmp_path / "rainy",
        "--clean",
        tmp_path / "clean",
        "--out",
        tmp_path / "run",
        "--device",
        "cpu",
    ]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert time.monotonic() - start < 30
    assert done.returncode == 1 and "Traceback" not in done.stderr
    folder = tmp_path / "hf/hub/models--timm--vit_base_patch32_clip_224.openai"
    for words in (
        "CLIP model ViT-B-32/openai",
        f"cache folder {tmp_path / 'hf/hub'}",
        str(folder),
        'python -c "import open_clip',
        "name tiny-rain-clip instead",
    ):
        assert words in done.stderr, done.stderr


def test_torchscript_is_named_and_not_run(tmp_path):
    file = tmp_path / "ViT-B-32.pt"
    torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)).save(str(file))
    with pytest.raises(EmbedderError, match="is a TorchScript program(?s:.*)weights.pt"):
        build_embedder(f"ViT-B-32/{file}")


def test_what_to_type_instead(checkpoints):
    for name in ("nix", "ViT-B-32", "ViT-B-32/opnai", "nix/weights.pt"):
        with pytest.raises(ValueError, match=f"unknown embedder '{name}'"):
            build_embedder(name)
    with pytest.raises(ValueError, match="Near: .*ViT-B-32/openai"):
        build_embedder("ViT-B/32-openai")
    with pytest.raises(ValueError, match="random has no texts"):
        load_clip("random")


def test_files_that_will_not_do(checkpoints, tmp_path):
    with pytest.raises(EmbedderError, match="there is no file .*nix.safetensors"):
        build_embedder(f"tiny-vit/{tmp_path / 'nix.safetensors'}")
    # Another network's weights, another architecture's, no checkpoint at all.
    foreign, text = tmp_path / "foreign.safetensors", tmp_path / "text.pt"
    save_file({"conv.weight": torch.zeros(3)}, foreign)
    text.write_text("hello")
    for file in (foreign, checkpoints["tiny-resnet"], text):
        with pytest.raises(EmbedderError, match=f"{file.name} cannot be loaded as tiny-vit: "):
            build_embedder(f"tiny-vit/{file}")


def test_bundled_clip_is_small_and_knows_the_grammar():
    tensors = load_file(SHIPPED)
    visual = sum(t.nbytes for name, t in tensors.items() if name.startswith("visual."))
    assert visual <= 4e6 and sum(t.nbytes for t in tensors.values()) - visual <= 8e6
    with safe_open(SHIPPED, framework="pt") as file:
        assert json.loads(file.metadata()["words"]) == list(WORDS)
    assert "tiny-rain-clip" not in shipped_weights()  # which lists derainers


def test_bundled_clip_through_the_same_interface():
    embedder, tokenizer, encode_text = load_clip("tiny-rain-clip")
    model, _ = build_tiny_clip(WORDS)
    model.load_state_dict(load_file(SHIPPED))
    equals_open_clip(embedder, model, 112, atol=1e-5)
    for size in ((112, 112), (64, 90), (321, 481)):
        image = (torch.rand(2, 3, *size) * 2 - 1).requires_grad_()
        features = embedder.encode(image, ("embedding", "tokens"))
        embedding = features["embedding"]
        assert embedding.shape == (2, 128) and features["tokens"].shape == (2, 196, 128)
        embedding.square().sum().backward()
        assert image.grad.isfinite().all() and image.grad.abs().sum((0, 1, 3)).min() > 0
    torch.testing.assert_close(build_embedder("tiny-rain-clip")(image), embedding)
    assert not any(p.requires_grad or p.dtype != torch.float32 for p in embedder.parameters())
    texts = encode_text(tokenizer(["a rainy photo", "A rainy, photo!", "a clear photo"]))
    torch.testing.assert_close(
        texts,
        model.eval()
        .encode_text(tokenizer(["a rainy photo"] * 2 + ["a clear photo"]), normalize=True)
        .detach(),
    )
    torch.testing.assert_close(texts[0], texts[1])


def test_bundled_clip_reads_words():
    tokenizer = load_clip("tiny-rain-clip")[1]
    a, zebra = tokenizer("a zebra in the rain")[0], tokenizer("a xylophone in the rain")[0]
    words = len(WORDS)
    number = {word: i + 1 for i, word in enumerate(WORDS)}
    expected = [
        words + 1,
        number["a"],
        words + 2,
        number["in"],
        number["the"],
        number["rain"],
        words + 3,
        *[0] * 25,
    ]
    assert a.tolist() == zebra.tolist() == expected
    long, empty = tokenizer(["rain " * 99, ""])
    assert long[0] == words + 1 and long[31] == words + 3 and (long[1:31] == number["rain"]).all()
    assert empty[:3].tolist() == [words + 1, words + 3, 0]


def test_another_training_of_the_bundled_clip(tmp_path):
    model, _ = build_tiny_clip(("rain", "sun"))
    file = tmp_path / "mine.safetensors"
    file.write_bytes(tiny_clip_bytes(model, ("rain", "sun")))
    embedder, tokenizer, encode_text = load_clip(f"tiny-rain-clip/{file}")
    assert encode_text(tokenizer(["sun"])).shape == (1, 128)
    image = torch.rand(1, 3, 50, 50)
    exact = ImageEmbedder(model.visual)(image)
    torch.testing.assert_close(embedder(image), exact, atol=1e-2, rtol=1e-2)  # float16 on disk
    state = torch.get_rng_state()
    build_embedder(f"tiny-rain-clip/{file}")
    assert torch.equal(state, torch.get_rng_state())
    # Foreign files.
    save_file({"conv.weight": torch.zeros(3)}, file)
    with pytest.raises(EmbedderError, match="mine.safetensors cannot be loaded as tiny-rain-clip"):
        build_embedder(f"tiny-rain-clip/{file}")
    file.write_bytes(b"hello")
    with pytest.raises(EmbedderError, match="mine.safetensors cannot be loaded"):
        build_embedder(f"tiny-rain-clip/{file}")
    with pytest.raises(EmbedderError, match="there is no file .*nix"):
        build_embedder(f"tiny-rain-clip/{tmp_path / 'nix.safetensors'}")
    other = shipped_weights()["demo"]
    with pytest.raises(EmbedderError, match="not written by cclgan_lite's tiny-rain-clip"):
        build_embedder(f"tiny-rain-clip/{other}")


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_is_executed(tmp_path, checkpoints):
    zipped, plain, script = (tmp_path / f"{n}.pt" for n in ("zipped", "plain", "script"))
    torch.save({"state_dict": Trap(tmp_path / "a")}, zipped)
    plain.write_bytes(pickle.dumps(Trap(tmp_path / "b")))
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), script)  # what OpenAI's own server gives
    for file in (zipped, plain, script):
        with pytest.raises(EmbedderError, match=file.name):
            build_embedder(f"tiny-vit/{file}")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_open_clip_is_imported_only_when_needed():
    """It takes longer than torch, and --help has to be quick."""
    code = (
        "import sys, cclgan_lite.cli, cclgan_lite.networks.embedder as e; "
        "e.build_embedder('random'); print('open_clip' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
