"""A gauge reads what every optimizer of the table does, and changes none of it."""

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast.torch import Gauge
from flatfast.torch.groups import momentum_of
from tests.torch.assertions import assert_same_weights
from tests.torch.bowl import LAW
from tests.torch.table import OPTIMIZERS, SCHEDULES, STEPS, WAYS, is_cell
from tests.torch.ways import Resumed, Training

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CELLS = [
    (optimizer, schedule, way)
    for optimizer in OPTIMIZERS
    for schedule in SCHEDULES
    for way in WAYS
    if is_cell(optimizer, schedule, way)
    and (
        (way in ("plain", "groups") and schedule == "by hand")
        or (way in ("plain", "resumed") and schedule == "cosine to 0" and optimizer != "NAdam")
        or (optimizer in ("SGD", "ours", "Adam tensor") and schedule == "by hand")
    )
]


def run(cell, coupled, gauged, folder):
    kind, schedule, way = OPTIMIZERS[cell[0]], SCHEDULES[cell[1]], WAYS[cell[2]]
    training = Training(way, kind.coupled if coupled else kind.alone, schedule)
    gauge, told = None, []
    for step in range(STEPS):
        if gauged and (gauge is None or isinstance(way, Resumed)):
            gauge = Gauge(training.optimizer)
            gauge.page(folder / "run.html", every=1e-9)
        held = [float(group["lr"]) for group in training.optimizer.param_groups]
        way.step(training, step)
        if gauged and not isinstance(way, Resumed):
            read = gauge.groups()
            if way.trains(step):
                assert [each.lr for each in read] == held
                used = [momentum_of(group) for group in training.optimizer.param_groups]
                assert [each.momentum for each in read] == used
            told += [str(gauge), gauge.readings(), gauge.postfix()]
        training.optimizer.zero_grad()
        training.schedule.step()
    return training


@pytest.mark.parametrize("coupled", [True, False], ids=["coupled", "alone"])
@pytest.mark.parametrize("cell", CELLS, ids=" / ".join)
def test_every_training_is_the_same_with_a_gauge(cell, coupled, tmp_path):
    if not coupled and cell[2] in ("coupled last", "compiled"):
        pytest.skip("of coupled optimizers alone")
    with_gauge = run(cell, coupled, True, tmp_path)
    without = run(cell, coupled, False, tmp_path)
    assert_same_weights(with_gauge.model, without.model)
    ours, theirs = (each.optimizer.state_dict() for each in (with_gauge, without))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_compiled_step_is_compiled_no_more_often():
    from torch._dynamo.testing import CompileCounter

    counts = []
    for gauged in (False, True):
        torch._dynamo.reset()
        counter = CompileCounter()
        w = nn.Parameter(torch.ones(3))
        optimizer = flatfast.torch.SGD([w], lr=0.1, law=LAW)
        gauge = Gauge(optimizer) if gauged else None
        step = torch.compile(optimizer.step, backend=counter)
        for number in range(8):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)
            w.grad = torch.ones(3)
            step()
        counts.append(counter.frame_count)
    assert counts[0] == counts[1]
    assert gauge.steps == 8
    assert gauge.groups()[0].momentum == LAW(0.1 / 8)
