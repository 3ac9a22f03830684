"""Every group of an optimizer at another batch: what is written, where, and what is refused."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_multi_avg_fn,
)

import flatfast
from flatfast import Rescaled, Setting
from flatfast.torch import rescale
from flatfast.torch.groups import LEAST
from tests.torch.wrapping import WRAPPERS, Apart

BATCH = (256, 1024)
K = 4


def parameters(count=1):
    return [nn.Parameter(torch.ones(2, 2)) for _ in range(count)]


def tensor(number):
    return torch.tensor(number, dtype=torch.float64)


BETAS = {"betas": (0.9, 0.999), "eps": 1e-8}
KINDS = {
    "SGD": (torch.optim.SGD, {"momentum": 0.9}, {"momentum": 0.9}),
    "SGD L2": (
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.01},
        {"momentum": 0.9, "weight_decay": 0.01, "decoupled": False},
    ),
    "SGD without": (torch.optim.SGD, {}, {"momentum": 0.0}),
    "SGD that averages": (
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.9},
        {"momentum": 0.9, "convention": "normalized"},
    ),
    "SGD dampened": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9}),
    "RMSprop": (
        torch.optim.RMSprop,
        {"momentum": 0.9, "alpha": 0.98, "eps": 1e-7},
        {"momentum": 0.9, "alpha": 0.98, "eps": 1e-7},
    ),
    "Adam L2": (
        torch.optim.Adam,
        {**BETAS, "weight_decay": 0.1},
        {**BETAS, "weight_decay": 0.1, "decoupled": False},
    ),
    "Adam, eps 0": (torch.optim.Adam, {**BETAS, "eps": 0.0}, {**BETAS, "eps": 0.0}),
    "Adam, beta 0": (torch.optim.Adam, {"betas": (0.0, 0.999)}, {"betas": (0.0, 0.999)}),
    "AdamW": (
        torch.optim.AdamW,
        {**BETAS, "weight_decay": 0.1},
        {**BETAS, "weight_decay": 0.1, "decoupled": True},
    ),
    "NAdam": (torch.optim.NAdam, BETAS, BETAS),
    "NAdam decoupled": (
        torch.optim.NAdam,
        {**BETAS, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {**BETAS, "weight_decay": 0.1},
    ),
    "RAdam": (torch.optim.RAdam, BETAS, BETAS),
    "Adamax": (torch.optim.Adamax, BETAS, BETAS),
    "SparseAdam": (torch.optim.SparseAdam, BETAS, BETAS),
}
if hasattr(torch.optim, "Muon"):
    KINDS["Muon"] = (
        torch.optim.Muon,
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1, "convention": "scale-free", "decoupled": True},
    )
NUMBERS = ("lr", "momentum", "betas", "alpha", "eps", "weight_decay")


@pytest.mark.parametrize("rule", ["path", "law", "adam-sde", "half-life"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:rescaled by the rule")
def test_a_group_becomes_what_the_core_says_of_its_setting(kind, rule):
    make, options, setting = KINDS[kind]
    optimizer = make(parameters(), lr=0.1, **options)
    before = dict(optimizer.param_groups[0])
    (found,) = rescale(optimizer, batch=BATCH, rule=rule)
    wanted = flatfast.rescale({"lr": 0.1, **setting}, batch=BATCH, rule=rule)
    group = optimizer.param_groups[0]
    for name in NUMBERS:
        value = getattr(wanted, name)
        if value is not None:
            assert group[name] == pytest.approx(value, rel=1e-12), name
            assert getattr(found, name) == pytest.approx(value, rel=1e-12), name
    assert (found.rule, found.keeps, found.doubts) == (rule, wanted.keeps, wanted.doubts)
    if kind == "SGD that averages":
        assert group["dampening"] == group["momentum"]
    changing = {*NUMBERS, "rescaled"} | ({"dampening"} if "averages" in kind else set())
    same = {name for name in before if name not in changing}
    assert all(group[name] is before[name] for name in same)


def test_rescaled_training_is_that_of_an_optimizer_made_of_the_rescaled_numbers():
    def trained(optimizer):
        torch.manual_seed(0)
        for _ in range(5):
            for p in optimizer.param_groups[0]["params"]:
                p.grad = torch.randn_like(p)
            optimizer.step()
        return [p.detach().clone() for p in optimizer.param_groups[0]["params"]]

    for make, options, _ in KINDS.values():
        if make is torch.optim.SparseAdam:
            continue
        ours = make(parameters(), lr=0.01, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rescale(ours, batch=BATCH, rule="path")
        numbers = {name: ours.param_groups[0][name] for name in (*options, "lr")}
        theirs = make(parameters(), **numbers)
        for one, two in zip(trained(ours), trained(theirs), strict=True):
            assert torch.equal(one, two)


def test_each_group_goes_through_the_rule_by_itself():
    one, two = parameters(), parameters()
    groups = [{"params": one, "lr": 0.1, "momentum": 0.9}, {"params": two, "momentum": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.02)
    found = rescale(optimizer, batch=BATCH, rule="path")
    assert [type(each) for each in found] == [Rescaled, Rescaled]
    assert [group["momentum"] for group in optimizer.param_groups] == [
        pytest.approx(0.9**K),
        0.0,
    ]
    assert [group["lr"] for group in optimizer.param_groups] == [
        pytest.approx(0.1 * K * (1 - 0.9**K) / 0.1),
        pytest.approx(0.02 * K),
    ]


def test_a_learning_rate_is_asked_for_as_a_pair():
    groups = [{"params": parameters()}, {"params": parameters(), "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    rescale(optimizer, lr=(0.1, 0.4), rule="law")
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [pytest.approx(0.4), pytest.approx(0.04)]
    wanted = flatfast.transfer(0.1, 0.9, 0.4)
    assert all(
        group["momentum"] == pytest.approx(wanted, rel=1e-12) for group in optimizer.param_groups
    )
    both = torch.optim.SGD(parameters(), lr=0.1, momentum=0.9)
    rescale(both, batch=BATCH, lr=(0.1, 0.4), rule="law")
    assert both.param_groups[0]["momentum"] == pytest.approx(1 - 0.1 * K ** (-1 / 3 + 2 / 3))


def test_a_rule_of_the_users_own():
    def halved(setting: Setting, change: flatfast.Change) -> Setting:
        """Half the learning rate."""
        return Setting(lr=setting.lr / 2, momentum=setting.momentum)

    optimizer = torch.optim.SGD(parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    (found,) = rescale(optimizer, batch=BATCH, rule=halved)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.05, 0.9, 0.01)
    assert (found.rule, found.keeps) == ("halved", "Half the learning rate.")
    (found,) = rescale(optimizer, batch=BATCH, rule=halved)  # which is done
    assert (found.lr, found.momentum, found.rule) == (0.05, 0.9, "halved")


def test_tensors_are_filled_where_they_are():
    rate, one, two = tensor(0.1), tensor(0.9), tensor(0.999)
    optimizer = torch.optim.Adam(
        parameters(), lr=rate, betas=(one, two), foreach=False, capturable=False
    )
    rescale(optimizer, batch=BATCH, rule="adam-sde")
    group = optimizer.param_groups[0]
    assert group["lr"] is rate
    assert group["betas"][0] is one
    assert group["betas"][1] is two
    assert [float(each) for each in (rate, one, two)] == [
        pytest.approx(0.2),
        pytest.approx(0.9**K),
        pytest.approx(0.999**K),
    ]


def test_groups_that_share_a_tensor_are_rescaled_once_and_get_their_own_where_they_differ():
    rate = tensor(0.1)
    alike = [{"params": parameters()}, {"params": parameters()}]
    optimizer = torch.optim.SGD(alike, lr=rate, momentum=0.9, foreach=False)
    rescale(optimizer, batch=BATCH, rule="linear")
    assert all(group["lr"] is rate for group in optimizer.param_groups)
    assert float(rate) == pytest.approx(0.4)

    rate = tensor(0.1)
    apart = [{"params": parameters()}, {"params": parameters(), "momentum": 0.5}]
    optimizer = torch.optim.SGD(apart, lr=rate, momentum=0.9, foreach=False)
    with pytest.warns(UserWarning, match=r"longer than the memory of momentum 0.5"):
        rescale(optimizer, batch=BATCH, rule="path")
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    assert rates == [
        pytest.approx(0.4 * (1 - 0.9**K) / 0.1),
        pytest.approx(0.4 * (1 - 0.5**K) / 0.5),
    ]
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_momentum_that_falls_to_0_still_updates_velocities():
    optimizer = torch.optim.SGD(parameters(), lr=0.1, momentum=0.5)
    with pytest.warns(UserWarning, match="0 is the nearest"):
        (found,) = rescale(optimizer, batch=(1024, 256), rule="noise-scale")
    assert found.momentum == 0.0
    assert optimizer.param_groups[0]["momentum"] == LEAST
    again = rescale(optimizer, batch=(1024, 256), rule="noise-scale")
    assert again[0].momentum == 0.0


def test_rmsprop_gets_the_velocities_that_it_has_not_made():
    optimizer = torch.optim.RMSprop(parameters(), lr=0.1)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    optimizer.step()
    with pytest.warns(UserWarning, match="was derived for SGD"):
        rescale(optimizer, batch=BATCH, rule="noise-scale")
    assert optimizer.param_groups[0]["momentum"] == 0.75
    optimizer.step()


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_the_optimizer_that_makes_the_steps_is_rescaled(wrap):
    base = torch.optim.SGD(parameters(), lr=0.1, momentum=0.9)
    rescale(wrap(base), batch=BATCH, rule="linear")
    assert base.param_groups[0]["lr"] == pytest.approx(0.4)


class Setter(Apart):
    """Sets the groups of the base at every step, from its own, as ZeroRedundancyOptimizer does."""

    def __init__(self, base):
        torch.optim.Optimizer.__init__(
            self,
            [{**group, "params": list(group["params"])} for group in base.param_groups],
            dict(base.defaults),
        )
        self.base = base

    def step(self, closure=None):
        for own, inner in zip(self.param_groups, self.base.param_groups, strict=True):
            inner.update({key: value for key, value in own.items() if key != "params"})
        self.base.step()


@pytest.mark.parametrize("in_tensor", [True, False])
def test_a_wrapper_that_sets_the_groups_of_its_optimizer_sets_the_rescaled_ones(in_tensor):
    rate = tensor(0.1) if in_tensor else 0.1
    base = torch.optim.Adam(parameters(), lr=rate, foreach=False)
    outer = Setter(base)
    if in_tensor:
        outer.param_groups[0]["lr"] = tensor(0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(outer, lambda step: 0.5**step)
    for count in range(3):
        rescale(outer, batch=BATCH, rule="adam-sde")
        for p in base.param_groups[0]["params"]:
            p.grad = torch.ones_like(p)
        outer.step()
        assert float(base.param_groups[0]["lr"]) == pytest.approx(0.2 * 0.5**count)
        assert base.param_groups[0]["betas"] == pytest.approx((0.9**K, 0.999**K))
        schedule.step()
    assert outer.param_groups[0]["initial_lr"] == pytest.approx(0.2)
    with_lr_of_its_own = Apart(torch.optim.SGD(parameters(), lr=0.1, momentum=0.9))
    rescale(with_lr_of_its_own, batch=BATCH, rule="path")
    assert with_lr_of_its_own.param_groups[0]["lr"] == 7.0


def test_zero_redundancy(tmp_path):
    zero = pytest.importorskip("torch.distributed.optim").ZeroRedundancyOptimizer
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    try:
        own, rates = parameters(), []
        outer = zero(own, optimizer_class=torch.optim.AdamW, lr=0.1)
        plain = torch.optim.AdamW(parameters(), lr=0.1)
        schedules = [
            torch.optim.lr_scheduler.OneCycleLR(each, 0.1, total_steps=4, cycle_momentum=False)
            for each in (outer, plain)
        ]
        for _ in range(3):
            rescale(outer, batch=BATCH, rule="adam-sde")
            own[0].grad = torch.ones_like(own[0])
            outer.step()
            plain.step()
            (group,) = outer.optim.param_groups
            rates.append((group["lr"], pytest.approx(2 * plain.param_groups[0]["lr"])))
            for schedule in schedules:
                schedule.step()
        assert all(found == wanted for found, wanted in rates)
        assert len({found for found, _ in rates}) == 3
        assert group["betas"] == pytest.approx((0.9**K, 0.999**K))
    finally:
        torch.distributed.destroy_process_group()


def test_fused_steps_with_a_learning_rate_in_a_tensor():
    def trained(optimizer):
        for count in range(4):
            if count == 2:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # averages have yet to fill
                    rescale(optimizer, batch=BATCH, rule="adam-sde")
            for p in optimizer.param_groups[0]["params"]:
                p.grad = torch.full_like(p, 0.1 * count + 0.1)
            optimizer.step()
        return optimizer.param_groups[0]["params"][0].detach()

    plain = trained(torch.optim.AdamW(parameters(), lr=0.1, foreach=False))
    rate = torch.tensor(0.1)
    fused = trained(torch.optim.AdamW(parameters(), lr=rate, fused=True))
    assert float(rate) == pytest.approx(0.2)
    torch.testing.assert_close(fused, plain)


def test_warns_once_where_the_rule_cannot_keep_its_promise():
    groups = [{"params": parameters()}, {"params": parameters()}]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    with pytest.warns(UserWarning, match=r"rule path, with doubts: .* made for that") as told:
        found = rescale(optimizer, batch=BATCH, rule="path")
    assert len(told) == 1
    assert told[0].filename == __file__
    assert not any(each.inside for each in found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(optimizer, batch=BATCH, rule="path")


def test_adams_averages_that_have_yet_to_fill_are_said():
    optimizer = torch.optim.AdamW(parameters(), lr=1e-3)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    optimizer.step()
    fuller = copy.deepcopy(optimizer)
    with pytest.warns(UserWarning, match=r"after 1 steps the average of beta 0.999 is not full"):
        rescale(optimizer, batch=BATCH, rule="adam-sde")
    for state in fuller.state.values():
        state["step"].fill_(2303)  # 0.999^2303 is 0.0999
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(fuller, batch=BATCH, rule="adam-sde")


# --- Averages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["avg_fn", "multi_avg_fn"])
def test_an_average_remembers_as_many_samples(name):
    make = {"avg_fn": get_ema_avg_fn, "multi_avg_fn": get_ema_multi_avg_fn}[name]
    model = nn.Linear(1, 1, bias=False)
    average = AveragedModel(model, **{name: make(0.99)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):  # once and for all
        rescale(optimizer, batch=BATCH, averaged=average, rule="path")
    for weight in (0.0, 1.0):
        with torch.no_grad():
            model.weight.fill_(weight)
        average.update_parameters(model)
    assert float(average.module.weight.detach()) == pytest.approx(1 - 0.99**K, rel=1e-5)


def test_an_average_that_is_made_anew_is_rescaled_though_the_optimizer_is_already():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rescale(optimizer, batch=BATCH, rule="path")
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    before = average.multi_avg_fn
    rescale(optimizer, batch=BATCH, averaged=[average], rule="path")
    assert average.multi_avg_fn is not before
    rate = optimizer.param_groups[0]["lr"]
    assert rate == pytest.approx(0.4 * (1 - 0.9**K) / 0.1)


def test_equal_weights_stay_and_a_function_of_ones_own_is_refused():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    equal = [AveragedModel(model), AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn())]
    own = AveragedModel(model, avg_fn=lambda old, new, count: 0.9 * old + 0.1 * new)
    with pytest.raises(ValueError, match="inside of a function of your own: give it the decay"):
        rescale(optimizer, batch=BATCH, averaged=[*equal, own], rule="path")
    assert optimizer.param_groups[0]["lr"] == 0.1
    rescale(optimizer, batch=BATCH, averaged=equal, rule="path")
    assert equal[0].multi_avg_fn is None
    with pytest.raises(TypeError, match=r"must be torch.optim.swa_utils.AveragedModel, got Linear"):
        rescale(optimizer, batch=BATCH, averaged=model, rule="path")


@pytest.mark.parametrize("number", [float, np.float32, torch.tensor])
def test_numbers_of_all_kinds_are_carried(number):
    optimizer = torch.optim.AdamW(parameters(), lr=1e-3, weight_decay=number(0.1), eps=number(1e-8))
    rescale(optimizer, batch=BATCH, rule="adam-sde")
    (group,) = optimizer.param_groups
    assert float(group["weight_decay"]) == pytest.approx(0.2)
    assert float(group["eps"]) == pytest.approx(5e-9)


def test_a_learning_rate_that_is_learned_stays_a_leaf():
    lr = torch.tensor(0.1, requires_grad=True)
    optimizer = torch.optim.SGD(parameters(), lr=lr, momentum=0.9, differentiable=True)
    rescale(optimizer, batch=BATCH)
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.is_leaf
    assert lr.requires_grad
    assert lr.item() == pytest.approx(0.4)


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, r"say what changes: batch=\(256, 1024\)"),
        ({"batch": (0, 4)}, ValueError, "batch must be positive and finite, got 0"),
        ({"batch": (4, -1)}, ValueError, "batch must be positive and finite, got -1"),
        ({"batch": 1024}, TypeError, "batch must be a pair, before and after"),
        ({"batch": {256, 1024}}, TypeError, "batch must be a pair, before and after"),
        ({"batch": ("a", 4)}, TypeError, "batch must be a positive number, got 'a'"),
        ({"lr": 0.4}, TypeError, "lr must be a pair, before and after"),
        ({"lr": (0.1, 0.0)}, ValueError, "lr must be positive and finite, got 0.0"),
        (
            {"batch": BATCH, "rule": "cubic"},
            ValueError,
            "rule must be one of measured, path, linear",
        ),
        ({"batch": BATCH, "rule": 3}, TypeError, "rule must be a name or a function, got 3"),
        ({"batch": BATCH, "schedulers": 3}, TypeError, "must be of torch.optim.lr_scheduler, got"),
    ],
)
def test_bad_arguments(options, error, message):
    optimizer = torch.optim.SGD(parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(error, match=message):
        rescale(optimizer, **options)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert "rescaled" not in optimizer.param_groups[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Adagrad", "its squares are summed and never forgotten"),
        ("Adadelta", "its steps have a length of their own"),
        ("Rprop", "it takes the signs of gradients"),
        ("LBFGS", "it is made for gradients without noise"),
        ("ASGD", "its steps shrink as they are counted"),
        ("Adafactor", "its memory of squares grows"),
    ],
)
def test_optimizers_without_a_rule(name, message):
    if not hasattr(torch.optim, name):
        pytest.skip(f"PyTorch has no {name} yet")
    optimizer = getattr(torch.optim, name)(parameters(), lr=0.1)
    with pytest.raises(ValueError, match=rf"no rule is known for {name}: {message}.*known for SGD"):
        rescale(optimizer, batch=BATCH, rule="path")


class Other(torch.optim.Optimizer):
    """Of another package."""

    def __init__(self, params, **options):
        super().__init__(params, options)

    def step(self, closure=None):
        """None."""


class ScheduleFree(Other):
    def train(self):
        """To weights to train."""

    def eval(self):
        """To weights to use."""


def test_optimizers_of_other_packages():
    with pytest.raises(ValueError, match=r"Other has neither momentum nor betas.*its keys are lr"):
        rescale(Other(parameters(), lr=0.1), batch=BATCH, rule="path")
    with pytest.raises(ValueError, match="ScheduleFree: its momentum is the place between"):
        rescale(ScheduleFree(parameters(), lr=0.1, betas=(0.9, 0.999)), batch=BATCH, rule="path")
    optimizer = Other(parameters(), lr=0.1, betas=(0.9, 0.99), eps=(1e-30, 1e-16))
    with pytest.warns(UserWarning, match="betas of Other is taken for Adam's"):
        rescale(optimizer, batch=BATCH, rule="adam-sde")
    group = optimizer.param_groups[0]
    assert group["betas"] == (pytest.approx(0.9**K), pytest.approx(0.99**K))
    assert (group["lr"], group["eps"]) == (pytest.approx(0.2), (1e-30, 1e-16))
    with pytest.warns(UserWarning, match="momentum of Other is taken for SGD's"):
        rescale(Other(parameters(), lr=0.1, momentum=0.9), batch=BATCH, rule="path")


def test_a_beta_that_becomes_1_in_few_bits_is_said():
    betas = torch.tensor(0.9), torch.tensor(0.999)
    optimizer = torch.optim.Adam(parameters(), lr=0.1, betas=betas, capturable=True)
    with pytest.raises(ValueError, match=r"betas becomes 0.99999998.* is 1 in torch.float32"):
        rescale(optimizer, batch=(60_000, 1), rule="half-life")
    assert [float(beta) for beta in optimizer.param_groups[0]["betas"]] == pytest.approx(
        [0.9, 0.999]
    )


def test_a_rule_of_the_users_own_for_another_kind_writes_nothing():
    groups = [{"params": parameters()}, {"params": parameters(), "betas": (0.8, 0.9)}]
    optimizer = torch.optim.Adam(groups, lr=0.1)

    def rule(setting, change):
        return Setting(lr=1.0, betas=setting.betas[: 2 if setting.betas[0] == 0.9 else 1])

    with pytest.raises(ValueError, match=r"returned betas .* for a setting that has 2"):
        rescale(optimizer, batch=BATCH, rule=rule)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]


def test_nothing_is_written_where_one_group_is_refused():
    optimizer = torch.optim.SGD(
        [{"params": parameters()}, {"params": parameters()}], lr=0.1, momentum=0.9
    )
    optimizer.param_groups[1]["momentum"] = 1.5
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(
        ValueError, match=r"parameter group 1 of SGD: momentum must be in \[0, 1\), got 1.5"
    ):
        rescale(optimizer, batch=BATCH, rule="path")
    assert optimizer.state_dict() == before


def test_groups_that_share_parameters():
    shared = parameters()
    optimizer = torch.optim.SGD(shared, lr=0.1, momentum=0.9)
    optimizer.param_groups.append({**optimizer.param_groups[0], "params": shared})
    with pytest.raises(ValueError, match=r"groups 0 and 1 share a parameter of shape \(2, 2\)"):
        rescale(optimizer, batch=BATCH, rule="path")


class Two(Other):
    """Steps by two optimizers."""

    def __init__(self, one, two):
        super().__init__([*one.param_groups[0]["params"], *two.param_groups[0]["params"]], lr=0.1)
        self.one, self.two = one, two


def test_what_is_no_optimizer_or_two():
    two = [torch.optim.SGD(parameters(), lr=0.1, momentum=0.9) for _ in range(2)]
    with pytest.raises(ValueError, match=r"Two steps by 2 optimizers, SGD and SGD; give each of"):
        rescale(Two(*two), batch=BATCH, rule="path")
    with pytest.raises(TypeError, match=r"must be a torch.optim.Optimizer, got Linear"):
        rescale(nn.Linear(1, 1), batch=BATCH, rule="path")


@pytest.mark.filterwarnings("ignore:rescaled by the rule", "ignore:.*momentum")
def test_an_average_stays_one_where_its_momentum_comes_to_0():
    optimizer = torch.optim.SGD(parameters(), lr=0.1, momentum=0.5, dampening=0.5)
    group = optimizer.param_groups[0]
    (there,) = rescale(optimizer, lr=(0.1, 3.0), rule="law")
    assert there.momentum == 0
    (back,) = rescale(optimizer, lr=(3.0, 0.1), rule="law")
    assert (there.convention, back.convention) == ("normalized", "normalized")
    assert group["dampening"] == group["momentum"] > 0.5
