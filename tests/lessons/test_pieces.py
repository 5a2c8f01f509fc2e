"""What single lessons experiment with: games, spaces, hidden rain, small runs, an exam."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from cclgan_lite.course import (
    clip_space,
    exam,
    hiding,
    judge_space,
    judging,
    small_run,
    suspect,
)
from cclgan_lite.course.audit import audit_figure, share_figure
from cclgan_lite.evaluation.metrics import luma, psnr
from cclgan_lite.losses import inter_ccl


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return exam.exam(tmp_path_factory.mktemp("exam") / "set", scenes=2)


def picture(path):
    return np.asarray(Image.open(path))


# The exam of lesson 10.


def test_it_rains_twice_on_each_scene(pairs):
    assert [name for name, *_ in pairs] == [
        f"scene{k:02}-shower{j}" for k in (0, 1) for j in (0, 1)
    ]
    (_, wet, dry), (_, wet_again, dry_again), (_, _, elsewhere), _ = pairs
    assert np.array_equal(picture(dry), picture(dry_again))
    assert not np.array_equal(picture(wet), picture(wet_again))
    assert not np.array_equal(picture(dry), picture(elsewhere))
    assert picture(wet).shape == (240, 320, 3)


def test_faults_are_made_to_order(pairs):
    (_, wet, dry), _, (_, _, other), _ = pairs
    rainy, clean, other = map(picture, (wet, dry, other))
    made = exam.faults(rainy, clean, other)
    y = luma(clean).astype(float)
    assert abs(luma(made["recoloured"]) - y).max() <= 1  # rounding alone
    assert abs(made["recoloured"].astype(int) - clean)[..., 0].mean() > 20
    changed = (made["invented object"] != clean).any(-1)
    assert changed.any() and not changed[:80].any() and not changed[:, :140].any()
    scores = [psnr(made[name], clean, luma) for name in ("invented object", "streaks left")]
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


def test_draws_are_of_whole_scenes():
    values = np.array([0.0, 0, 1, 1, 1, 1])  # m_b of two scenes: 0, 1 or the mean of all
    figure = exam.draws_figure(lambda v, s: (0.25, 0.75), values, list("aabbbb"))
    lines = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert lines == pytest.approx([values.mean(), 0.25, 0.75])
    bars = [bar for bar in figure.axes[0].patches if bar.get_height()]
    assert len(bars) == 3 and sum(bar.get_height() for bar in bars) == 2000


@pytest.mark.parametrize("interval, sure", [((0.1, 2), 20), ((-2, -0.1), 20), ((-1, 1), 0)])
def test_intervals_without_zero_are_counted(interval, sure):
    figure = exam.planned(lambda values, scenes: interval, scenes=4, showers=2, gain=0.5)
    assert f"{sure} of 20 exclude zero" in figure.axes[0].get_title()


# The small run of lesson 08.


def test_removed_and_damage_by_hand():
    clean = torch.rand(2, 3, 32, 32) - 0.5
    rainy = clean + 0.3 * (torch.rand(2, 1, 32, 32) > 0.9)
    same, _ = small_run.removed_and_damage(lambda x: x, rainy, clean)
    assert same["removed"] == 0 and same["damage"] == 0
    error = (rainy - clean).square().flatten(1).mean(1)
    assert same["psnr"] == pytest.approx((10 * torch.log10(4 / error)).mean().item(), rel=1e-5)
    half, made = small_run.removed_and_damage(
        lambda x: (x + clean) / 2 if x is rainy else x, rainy, clean
    )
    assert half["removed"] == pytest.approx(0.5, abs=1e-5)
    torch.testing.assert_close(made, (rainy + clean) / 2)
    darker, _ = small_run.removed_and_damage(lambda x: x - 2 / 127.5, rainy, clean)
    assert darker["removed"] == pytest.approx(0, abs=1e-5)
    assert darker["damage"] == pytest.approx(2, rel=1e-4)  # grey levels


def test_small_runs_are_repeatable_and_a_late_loss_draws_after_the_others():
    rainy, clean = (torch.rand(1, 3, 32, 32) - 0.5 for _ in range(2))
    options = dict(steps=1, size=32, scenes=2, shots=1)

    def trained(losses, seed):
        return small_run.small_run(
            losses,
            measured=lambda net: small_run.removed_and_damage(net, rainy, clean),
            seed=seed,
            **options,
        )

    one, again, other = (trained(["adversarial"], seed) for seed in (0, 0, 1))
    assert one.rows == again.rows and one.rows != other.rows
    assert [row["step"] for row in one.rows] == [1]
    assert torch.equal(one.shots[0], again.shots[0])
    judged = [
        run.networks["discriminator_clean"].state_dict()
        for run in (one, trained(["adversarial", "lcl"], 0))
    ]
    for a, b in zip(*(state.values() for state in judged), strict=True):
        assert torch.equal(a, b)  # the same crops and the same draws for the judges


def test_gradients_of_every_loss():
    rainy, clean = (torch.rand(1, 3, 64, 64) - 0.5 for _ in range(2))
    networks = small_run.small_networks()
    made, at_picture, at_derainer = small_run.gradients(networks, rainy, clean)
    torch.testing.assert_close(made, rainy)  # the identity at the start
    assert list(at_picture) == list(at_derainer) == list(small_run.METHOD.terms())
    size = sum(p.numel() for p in networks["derainer"].parameters())
    assert all(g.shape == (size,) and g.any() for g in at_derainer.values())


# The audit of lesson 08.


def test_shares_and_cosines_by_hand():
    vectors = {
        "a": torch.tensor([1.0, 0]),
        "b": torch.tensor([0, 2.0]),
        "c": torch.tensor([-3.0, 0]),
    }
    left, right, *_ = share_figure({"a": 0.5, "b": 0.3, "c": 0.2}, vectors).axes
    assert [bar.get_height() for bar in left.patches] == [0.5, 0.3, 0.2]
    assert right.images[0].get_array().tolist() == [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]


def test_the_audit_has_a_row_for_each_loss():
    labels = [label.get_text() for label in audit_figure().axes[0].get_yticklabels()]
    assert labels[0] == "rehearsal (share 0.45)" and len(labels) == 6


# The spaces of lesson 07.


def test_distance_is_per_picture():
    a, b = torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    b[1, 0] = 3
    assert judge_space.distance(a, b).tolist() == [0, 1]


def test_checkerboard_alternates():
    assert judge_space.checkerboard(2).tolist() == [
        [pytest.approx(0.1), pytest.approx(-0.1)],
        [pytest.approx(-0.1), pytest.approx(0.1)],
    ]


def test_the_roles_of_eq_4_are_drawn():
    texts = [text.get_text() for text in judge_space.roles_figure().axes[0].texts]
    assert sum("query" in text for text in texts) == 2
    assert sum(text in ("$G_n$", "$G_r$") for text in texts) == 4


def test_eq_4_is_zero_at_the_truth_and_falls_along_free_pixels():
    rainy, clean = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    made = judge_space.space()
    truth, start = judge_space.pays(made, [clean, rainy], rainy, clean)
    assert truth == pytest.approx(0, abs=1e-5) and start > 0.5
    assert judge_space.descend_pixels(made, rainy, clean, steps=8)[1] < start
    heat = judge_space.away_from_rain(made, rainy[0], rainy[0], clean[0], clean[1])
    assert heat.shape == (8, 8) and not heat.any()
    assert judge_space.away_from_rain(made, clean[1], clean[0], clean[0], clean[1]).mean() > 0.9


@pytest.mark.parametrize("who, moved", [("", False), ("MLPs", True)])
def test_who_trains_the_mlps(who, moved):
    made = judge_space.trained_space(0, who, steps=2, scenes=2)
    start = judge_space.space(0)
    same = [
        torch.equal(a, b)
        for a, b in zip(made.mlp.parameters(), start.mlp.parameters(), strict=True)
    ]
    assert all(same) != moved
    assert made.curve.shape == (2, 2)


class Sound(nn.Module):
    """Inter-CCL on a judge, as it should be."""

    def __init__(self, judge):
        super().__init__()
        self.judge = judge
        self.mlps = nn.ModuleDict({t: nn.Linear(c, 8) for t, c in judge.tap_channels().items()})

    def loss(self, *four):
        features = [self.judge.encode(image, self.judge.taps) for image in four]
        total = 0.0
        for tap, mlp in self.mlps.items():
            vectors = [F.normalize(mlp(f[tap].flatten(2).mT), dim=-1) for f in features]
            total = total + inter_ccl(*vectors)
        return total


class Blind(Sound):
    def loss(self, *four):
        return super().loss(*(torch.linspace(0, 1, 4)[k] + 0 * x for k, x in enumerate(four)))


class OtherPlaces(Sound):
    def loss(self, generated, *others):
        return super().loss(generated.flip(-1), *others)


class Deaf(Sound):
    def loss(self, *four):
        self.judge.requires_grad_(False)
        return super().loss(*four)


class Unregistered(Sound):
    def __init__(self, judge):
        super().__init__(judge)
        mlps = dict(self.mlps)
        del self.mlps
        self.mlps = mlps


@pytest.mark.parametrize(
    "kind, answers",
    [
        (Sound, [True, True, True, True]),
        (OtherPlaces, [True, False, True, True]),
        (Deaf, [True, True, False, True]),
        (Unregistered, [True, True, True, False]),
    ],
)
def test_questions_find_the_fault(kind, answers):
    four = list(torch.rand(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1)
    assert [question(kind, four) for question in suspect.QUESTIONS.values()] == answers


def test_a_loss_that_does_not_look_is_found():
    four = list(torch.rand(4, 1, 3, 32, 32) * 2 - 1)
    assert not suspect.sees(Blind, four)


# The games of lesson 03.


def test_the_points_of_a_ring_game_start_near_the_middle_and_move():
    shots = judging.ring_games(4.0, steps=4, shots=2)
    assert shots.shape == (3, judging.GAMES, 1000, 2)
    assert not torch.equal(shots[0], shots[-1])
    assert torch.equal(shots, judging.ring_games(4.0, steps=4, shots=2))  # its own seed


def bright(*levels):
    """Pictures [N, 3, 96, 96] of one grey each."""
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 96, 96)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_judge_alone_learns_which_is_which_unless_shuffled(shuffle):
    torch.manual_seed(0)
    judge = nn.Conv2d(3, 1, 1)
    nn.init.zeros_(judge.weight)
    high, low = bright(0.6, 0.8), bright(-0.8, -0.6)
    answers = judging.judge_alone(judge, (high, low), (high, low), range(0, 41, 40), 0, shuffle)
    assert answers[0] == 0 and len(answers) == 2  # a tie is no win
    rises = judge.weight.sum().item()
    assert (abs(rises) < 0.03) if shuffle else (answers[1] == 1 and rises > 0.1)


# The space of lesson 06.


def test_told_does_not_ask_which_way_round():
    high, low = torch.tensor([3.0, 4, 5]), torch.tensor([1.0, 2])
    assert clip_space.told(high, low) == clip_space.told(low, high) == 1
    assert clip_space.told(torch.tensor([1.0, 3]), torch.tensor([2.0])) == 0.5


def test_scores_of_both_sets_also_of_what_asks_no_tower():
    class Red(nn.Module):
        def normalized(self, image):
            return image.mean((2, 3))

    rainy, clean = torch.full((2, 3, 16, 16), 0.5), torch.zeros(2, 3, 16, 16)
    axis = torch.tensor([2.0, 0, 0])
    scores = clip_space.rain_scores(rainy, clean, {"red": (Red(), axis)})
    assert list(scores) == ["red", "brightness", "fine detail"]
    assert [x.tolist() for x in scores["red"]] == [[1, 1], [0, 0]]
    assert [x.tolist() for x in scores["brightness"]] == [[0.5, 0.5], [0, 0]]


def test_untrained_towers_are_the_same_each_time_and_leave_chance_alone():
    def between(rainy, clear):
        return rainy.mean(0) - clear.mean(0)

    torch.manual_seed(1)
    (_, one), (_, two) = (clip_space.untrained_towers(between) for _ in range(2))
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(one, two) and one.norm() > 0 and torch.equal(after, torch.rand(1))


# The hidden rain of lesson 04.


def test_every_network_of_the_small_cyclegan_is_moved_by_its_player():
    nets, optimizers = hiding.small_cyclegan()
    owned = {name: optimizer.param_groups[0]["params"] for name, optimizer in optimizers.items()}
    for name, net in nets.items():
        player = "judges" if "discriminator" in name else "generators"
        mine = {id(p) for p in net.parameters()}
        assert mine <= {id(p) for p in owned[player]}, name
    assert sum(map(len, owned.values())) == sum(len([*net.parameters()]) for net in nets.values())


def test_share_of_the_fine_structure_by_hand():
    rain = (torch.rand(1, 3, 32, 32) > 0.9).float()
    assert hiding.share(0.25 * rain + 0.5, rain) == pytest.approx(0.25, abs=1e-5)  # light is none
    assert hiding.share(-rain, rain) == pytest.approx(-1, abs=1e-5)


def test_washes():
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    assert (hiding.rounded(image) - image).abs().max() <= 0.5 / 127.5 + 1e-6
    noise = (hiding.noisy(torch.zeros(4, 3, 64, 64), 8) * 127.5).std().item()
    assert noise == pytest.approx(8, rel=0.02)
    soft, hard = ((hiding.jpeg(image, q) - image).abs().mean() for q in (95, 20))
    assert 0 < soft < hard


def test_two_showers_fall_on_one_scene():
    one, other = (hiding.shower(0, rain_seed=s, size=64) for s in (8, 99))
    assert not torch.equal(one, other)
    assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.5


def test_crops_are_taken_at_one_place():
    place = torch.arange(128.0 * 128).view(1, 1, 128, 128).repeat(3, 1, 1, 1)
    one, other = hiding.crops_at_one_place([place, place], 48, batch=5)
    assert one.shape == (5, 1, 48, 48) and torch.equal(one, other)
