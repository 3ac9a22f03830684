"""Rescaling again, going on from there, and checkpoints of before and after."""

import copy
import io
import warnings

import pytest
import torch
from torch import nn
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import lr_scheduler as schedulers

from flatfast import rules
from flatfast.torch import rescale

TUNED, NOW, LATER = 256, 1024, 4096
RATES = 0.2, 0.05


def made(make=torch.optim.SGD, **options):
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": lr} for lr in RATES]
    options = options or {"momentum": 0.9}
    optimizer = make(groups, lr=0.1, **options)
    return optimizer, schedulers.CosineAnnealingLR(optimizer, T_max=10)


def numbers(optimizer, scheduler):
    """All that there is of a learning rate or momentum."""
    groups = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    return groups, scheduler.base_lrs, scheduler.eta_min, scheduler.get_last_lr()


def steps(optimizer, scheduler, count):
    for _ in range(count):
        optimizer.step()
        scheduler.step()


def saved(*parts):
    """Through a file, as those are loaded that may come from anywhere."""
    file = io.BytesIO()
    torch.save([part.state_dict() for part in parts], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def load(states, *parts):
    for state, part in zip(states, parts, strict=True):
        part.load_state_dict(state)


@pytest.mark.parametrize("rule", [rule.name for rule in rules()])
@pytest.mark.filterwarnings("ignore:rescaled by the rule")
def test_the_same_call_again_does_nothing(rule):
    pair = made()
    first = rescale(pair[0], batch=(TUNED, NOW), rule=rule)
    before = copy.deepcopy(numbers(*pair))
    again = rescale(pair[0], batch=(TUNED, NOW), rule=rule)
    assert numbers(*pair) == before
    for one, two in zip(first, again, strict=True):
        assert (two.lr, two.momentum) == pytest.approx((one.lr, one.momentum))


@pytest.mark.parametrize("onwards", [(TUNED, LATER), (NOW, LATER)])
def test_going_on_is_going_there_at_once(onwards):
    there, once = made(), made()
    rescale(there[0], batch=(TUNED, NOW), rule="path")
    steps(*there, 2)
    steps(*once, 2)
    with pytest.warns(UserWarning, match="longer than the memory of momentum 0.6561"):
        rescale(there[0], batch=onwards, rule="path")
    with pytest.warns(UserWarning, match="longer than the memory of momentum 0.9"):
        rescale(once[0], batch=(TUNED, LATER), rule="path")
    for one, two in zip(there[0].param_groups, once[0].param_groups, strict=True):
        assert one["lr"] == pytest.approx(two["lr"], rel=1e-12)
        assert one["momentum"] == pytest.approx(two["momentum"], rel=1e-12)
        assert one["rescaled"]["batch"] == two["rescaled"]["batch"] == [TUNED, LATER]
    assert there[1].base_lrs == pytest.approx(once[1].base_lrs, rel=1e-12)


def test_back_to_the_tuned_batch():
    pair = made()
    before = copy.deepcopy([dict(group) for group in pair[0].param_groups])
    rescale(pair[0], batch=(TUNED, NOW), rule="path")
    rescale(pair[0], batch=(NOW, TUNED), rule="path")
    for group, old in zip(pair[0].param_groups, before, strict=True):
        assert group["lr"] == pytest.approx(old["lr"], rel=1e-12)
        assert group["momentum"] == pytest.approx(old["momentum"], rel=1e-12)


@pytest.mark.filterwarnings("ignore:rescaled by the rule")
def test_what_was_doubted_is_told_again_and_kept():
    optimizer, schedule = made()
    first = rescale(optimizer, batch=(16, 1024))
    assert not first[0].inside
    assert [each.doubts for each in rescale(optimizer, batch=(16, 1024))] == [
        each.doubts for each in first
    ]
    later, its = made()
    load(saved(optimizer, schedule), later, its)
    assert rescale(later, batch=(16, 1024))[0].doubts == first[0].doubts


def test_a_choice_is_doubted_by_all_that_has_changed_since_it_was_tuned():
    optimizer, _ = made()
    with pytest.warns(UserWarning, match="SGD at a larger batch: linear fails where") as told:
        rescale(optimizer, batch=(TUNED, NOW))
    assert "no rule" not in str(told[0].message)
    with pytest.warns(UserWarning, match="at a batch 16 times as large no rule"):
        rescale(optimizer, batch=(TUNED, LATER))
    assert rescale(optimizer, batch=(LATER, TUNED))[0].inside  # as it was tuned


@pytest.mark.parametrize(
    ("kind", "change", "doubt"),
    [
        ("SGD", {"batch": (TUNED, NOW)}, "SGD at a larger batch"),
        ("SGD", {"batch": (NOW, TUNED)}, ""),
        ("SGD", {"lr": (0.1, 0.05)}, ""),
        ("RMSprop", {"batch": (TUNED, NOW)}, "for Adam, and not for RMSprop"),
        ("Muon", {"batch": (TUNED, NOW)}, "for Muon and its like no rule"),
        ("Muon", {"lr": (0.1, 0.05)}, "for Muon and its like no rule"),
        ("AdamW", {"batch": (TUNED, NOW)}, ""),
    ],
)
def test_what_was_not_measured_of_a_kind_is_told_as_the_core_tells_it(kind, change, doubt):
    if not hasattr(torch.optim, kind):
        pytest.skip(f"this PyTorch has no {kind}")
    weights = [torch.nn.Parameter(torch.ones(2, 2))]
    more = {"momentum": 0.9} if kind in ("SGD", "RMSprop") else {}
    optimizer = getattr(torch.optim, kind)(weights, lr=0.1, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (new,) = rescale(optimizer, **change)
    assert any(doubt in each for each in new.doubts) if doubt else new.doubts == ()


def test_what_was_lost_on_the_way_does_not_come_back():
    optimizer, _ = made()
    with pytest.warns(UserWarning, match="which no momentum gives; 0 is the nearest"):
        rescale(optimizer, batch=(TUNED, 16), rule="noise-scale")
    with pytest.warns(UserWarning, match="an earlier rescaling could not keep"):
        rescale(optimizer, batch=(16, TUNED), rule="noise-scale")
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(1 - 1 / 16)  # and not 0.9
    there_and_back, _ = made()
    rescale(there_and_back, batch=(TUNED, NOW), rule="path")
    (new, _) = rescale(there_and_back, batch=(NOW, TUNED), rule="path")
    assert new.inside


def test_what_does_not_fit_is_refused_by_name():
    optimizer, _ = made()
    rescale(optimizer, batch=(TUNED, NOW), rule="path")
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=r"batch=\(512, 2048\), but .* from batch 256 to 1024"):
        rescale(optimizer, batch=(512, 2048), rule="path")
    with pytest.raises(ValueError, match="to batch 1024 by the rule path, and now linear is asked"):
        rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    with pytest.raises(ValueError, match=r"was reached by path: to go on .* give \(1024, 4096\)"):
        rescale(optimizer, batch=(TUNED, LATER), rule="linear")
    assert optimizer.state_dict() == before
    rescale(optimizer, batch=(NOW, LATER), rule="linear")
    assert optimizer.param_groups[0]["momentum"] == before["param_groups"][0]["momentum"]


def test_batch_and_learning_rate_are_kept_apart():
    optimizer, _schedule = made()  # which is to be there
    rescale(optimizer, batch=(TUNED, NOW), rule="law")
    rescale(optimizer, lr=(0.1, 0.4), rule="law")
    at_once, _ = made()
    rescale(at_once, batch=(TUNED, NOW), lr=(0.1, 0.4), rule="law")
    for one, two in zip(optimizer.param_groups, at_once.param_groups, strict=True):
        assert one["lr"] == pytest.approx(two["lr"])
        assert one["momentum"] == pytest.approx(two["momentum"])
    rescale(optimizer, lr=(0.1, 0.4), rule="law")
    rescale(optimizer, batch=(TUNED, NOW), lr=(0.1, 0.4), rule="law")
    assert optimizer.param_groups[0]["lr"] == pytest.approx(4 * RATES[0])
    # The learning rate that is asked for is there, and is not left to the rule.
    with pytest.warns(UserWarning, match="path sets the learning rate itself"):
        rescale(optimizer, batch=(NOW, LATER), lr=(0.1, 0.4), rule="path")
    assert optimizer.param_groups[0]["lr"] == pytest.approx(4 * RATES[0])


def test_a_group_that_is_added_is_taken_for_tuned():
    optimizer, _ = made()
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 0.3})
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [pytest.approx(4 * lr) for lr in (*RATES, 0.3)]


# --- Checkpoints ---------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": (torch.optim.SGD, {"momentum": 0.9}),
    "AdamW": (torch.optim.AdamW, {"betas": (0.9, 0.99)}),
}


@pytest.fixture(params=OPTIMIZERS)
def kind(request):
    return OPTIMIZERS[request.param]


def at(kind, batch=(TUNED, NOW)):
    """Rescaled by the rule of the kind."""

    def go(optimizer):
        return rescale(optimizer, batch=batch, rule="path" if "momentum" in kind[1] else "adam-sde")

    return go


def fresh(kind):
    return made(kind[0], **kind[1])


@pytest.mark.parametrize("again", ["before", "after", "both"])
def test_a_rescaled_checkpoint_goes_on_whether_the_program_rescales_before_or_after(kind, again):
    unbroken = fresh(kind)
    at(kind)(unbroken[0])
    steps(*unbroken, 3)
    states = saved(*unbroken)
    ours = fresh(kind)
    if again != "after":
        at(kind)(ours[0])
    load(states, *ours)
    if again != "before":
        at(kind)(ours[0])
    steps(*unbroken, 3)
    steps(*ours, 3)
    assert numbers(*ours) == numbers(*unbroken)


def test_a_checkpoint_of_the_tuned_batch_is_rescaled_once_it_is_loaded(kind):
    unbroken = fresh(kind)
    steps(*unbroken, 3)
    states = saved(*unbroken)
    at(kind)(unbroken[0])
    ours = fresh(kind)
    load(states, *ours)
    at(kind)(ours[0])
    steps(*unbroken, 3)
    steps(*ours, 3)
    assert numbers(*ours) == numbers(*unbroken)


def test_a_checkpoint_of_the_tuned_batch_that_is_loaded_too_late_is_said(kind):
    tuned = fresh(kind)
    steps(*tuned, 3)
    states = saved(*tuned)
    ours = fresh(kind)
    at(kind)(ours[0])
    with pytest.warns(UserWarning, match="was rescaled, and then a checkpoint without a record"):
        load(states, *ours)
    assert [g["lr"] for g in ours[0].param_groups] == [g["lr"] for g in tuned[0].param_groups]
    at(kind)(ours[0])  # as the warning says
    at(kind)(tuned[0])
    steps(*ours, 3)
    steps(*tuned, 3)
    assert numbers(*ours) == numbers(*tuned)


def test_a_checkpoint_of_another_rescaling_that_is_loaded_too_late_is_said():
    other, ours = made(), made()
    rescale(other[0], batch=(TUNED, 512))
    rescale(ours[0], batch=(TUNED, NOW))
    with pytest.warns(UserWarning, match="to batch 1024, .* rescaled to batch 512, which holds"):
        load(saved(*other), *ours)
    rescale(ours[0], batch=(TUNED, NOW))
    assert [group["lr"] for group in ours[0].param_groups] == pytest.approx([0.8, 0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(saved(*ours), *ours)


def test_a_checkpoint_may_have_no_scheduler(kind):
    """The scheduler of the new program is that of the tuned optimizer."""
    unbroken = fresh(kind)
    at(kind)(unbroken[0])
    states = saved(unbroken[0])
    ours = fresh(kind)
    load(states, ours[0])
    at(kind)(ours[0])
    assert ours[1].base_lrs == pytest.approx(unbroken[1].base_lrs)


def test_only_the_scheduler_may_be_loaded(kind):
    unbroken = fresh(kind)
    at(kind)(unbroken[0])
    states = saved(unbroken[1])
    ours = fresh(kind)
    load(states, ours[1])
    at(kind)(ours[0])
    assert ours[1].base_lrs == unbroken[1].base_lrs
    assert [g["lr"] for g in ours[0].param_groups] == [g["lr"] for g in unbroken[0].param_groups]


@pytest.mark.parametrize("rule", ["path", "adam-sde", "half-life", "noise-scale"])
@pytest.mark.filterwarnings("ignore:rescaled by the rule")
def test_a_record_that_was_lost_on_the_way_is_the_schedulers(kind, rule):
    """As where torch.distributed.checkpoint fills in what it finds in the optimizer."""
    batch = TUNED, NOW
    unbroken = fresh(kind)
    steps(*unbroken, 2)
    rescale(unbroken[0], batch=batch, rule=rule)
    states = saved(*unbroken)
    for group in states[0]["param_groups"]:
        del group["rescaled"]
    ours = fresh(kind)
    load(states, *ours)
    rescale(ours[0], batch=batch, rule=rule)
    steps(*ours, 2)
    steps(*unbroken, 2)
    assert numbers(*ours) == numbers(*unbroken)

    tuned = fresh(kind)  # and is not where the numbers are those of before
    load(states[1:], tuned[1])
    found = rescale(tuned[0], batch=batch, rule=rule)
    for one, two in zip(found, ours[0].param_groups, strict=True):
        assert one.first == pytest.approx(two.get("momentum", two.get("betas", [0])[0]))
        assert one.lr == pytest.approx(two["initial_lr"])
        assert one.betas == pytest.approx(two.get("betas"))


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_torch_distributed_checkpoint_loads_the_record_of_what_was_rescaled_before(tmp_path):
    def program(before):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        model(torch.ones(1, 2)).sum().backward()
        if before:
            rescale(optimizer, batch=(TUNED, NOW), rule="adam-sde")
        return model, optimizer

    pair = program(True)
    checkpoint.save({"o": get_optimizer_state_dict(*pair)}, checkpoint_id=tmp_path)
    other = program(True)
    state = {"o": get_optimizer_state_dict(*other)}
    checkpoint.load(state, checkpoint_id=tmp_path)
    set_optimizer_state_dict(*other, state["o"])
    rescale(other[1], batch=(TUNED, NOW), rule="adam-sde")
    assert other[1].param_groups[0]["lr"] == pytest.approx(0.2)


@pytest.mark.parametrize("loaded", [True, False])
def test_a_cycle_of_momenta_is_carried_once(loaded):
    """CyclicLR has its momenta itself, and may be loaded or made anew."""

    def pair():
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
        return optimizer, schedulers.CyclicLR(optimizer, 0.1, 0.4, step_size_up=3)

    unbroken = pair()
    rescale(unbroken[0], batch=(TUNED, NOW), rule="path")
    steps(*unbroken, 1)
    states = saved(*unbroken)
    ours = pair()
    load(states[: 1 + loaded], *ours[: 1 + loaded])
    rescale(ours[0], batch=(TUNED, NOW), rule="path")
    assert ours[1].max_momentums == pytest.approx([0.9**4])
    assert ours[1].base_momentums == pytest.approx([0.8**4])
    assert ours[1].max_lrs == pytest.approx(unbroken[1].max_lrs)


def test_a_checkpoint_of_yet_another_batch_goes_on_from_there(kind):
    there, once = fresh(kind), fresh(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        at(kind, (TUNED, 512))(there[0])
        states = saved(*there)
        ours = fresh(kind)
        load(states, *ours)
        at(kind, (TUNED, LATER))(ours[0])
        at(kind, (TUNED, LATER))(once[0])
    for one, two in zip(ours[0].param_groups, once[0].param_groups, strict=True):
        assert one["lr"] == pytest.approx(two["lr"], rel=1e-12)
    assert ours[1].base_lrs == pytest.approx(once[1].base_lrs, rel=1e-12)


def test_a_scheduler_that_is_made_of_the_rescaled_optimizer_is_left_alone():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    scheduler = schedulers.LambdaLR(optimizer, lambda step: 1.0)
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    assert scheduler.base_lrs == [pytest.approx(0.4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(optimizer, batch=(TUNED, LATER), rule="linear")
    assert scheduler.base_lrs == [pytest.approx(1.6)]


def test_base_rates_that_belong_nowhere_are_said():
    optimizer, _ = made()
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    states = saved(optimizer)
    ours, other = made()
    other.base_lrs = [0.07, 0.07]
    load(states, ours)
    with pytest.warns(UserWarning, match="CosineAnnealingLR belong neither to the rescaled"):
        rescale(ours, batch=(TUNED, NOW), rule="linear")
    assert other.base_lrs == [0.07, 0.07]


def test_copies_know_that_they_are_rescaled():
    optimizer, _ = made()
    rescale(optimizer, batch=(TUNED, NOW), rule="linear")
    twin = copy.deepcopy(optimizer)
    rescale(twin, batch=(TUNED, NOW), rule="linear")
    assert [group["lr"] for group in twin.param_groups] == [pytest.approx(4 * lr) for lr in RATES]
