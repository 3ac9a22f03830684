"""The callback in real Trainers of a tiny model, and Accelerate with plain ``couple``."""

import pytest
import torch
from torch import nn

pytest.importorskip("transformers", reason="needs the transformers extra")

from transformers import Trainer, TrainerCallback, TrainingArguments

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import couple
from flatfast.torch.transformers import CoupledMomentum
from tests.made_up import made_up_calibration
from tests.torch.assertions import assert_pairs_follow, assert_same_weights
from tests.torch.bowl import LAW, own

STEPS = 12


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x, labels):
        outputs = self.net(x)
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


class Used(TrainerCallback):
    """Learning rate and momentum of every step, read from the optimizer."""

    def __init__(self):
        self.pairs = []

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.lr = kwargs["optimizer"].param_groups[0]["lr"]

    def on_optimizer_step(self, args, state, control, **kwargs):
        group = kwargs["optimizer"].param_groups[0]
        self.pairs.append((self.lr, group.get("momentum", group.get("betas", [0])[0])))


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 4, generator=generator)
    return [{"x": row, "labels": row[:1].sin()} for row in x]


def arguments(tmp_path, **options):
    options = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.2,
        "lr_scheduler_type": "cosine",
        "optim": "sgd",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "max_grad_norm": 0.0,
        **options,
    }
    return TrainingArguments(output_dir=str(tmp_path), **options)


def trained(tmp_path, *callbacks, resume=None, optimizers=(None, None), **options):
    """A trained Trainer and what its optimizer used."""
    used = Used()
    trainer = Trainer(
        Regression(),
        arguments(tmp_path, **options),
        train_dataset=data(),
        callbacks=[used, *callbacks],
        optimizers=optimizers,
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer, used.pairs


SAVED = {"save_strategy": "steps", "save_steps": 5}


@pytest.fixture(scope="module", params=[False, True], ids=["", "until the end"])
def unbroken(request, tmp_path_factory):
    """A training that has run through: ``until_end``, folder, Trainer and what was used."""
    folder = tmp_path_factory.mktemp("unbroken")
    callback = CoupledMomentum(C=0.5, until_end=request.param)
    return request.param, folder, *trained(folder, callback, **SAVED)


def test_momentum_follows_the_schedule_until_training_ends(unbroken):
    until_end, _, trainer, used = unbroken
    assert len({lr for lr, _ in used}) == STEPS
    assert_pairs_follow(used[: STEPS // 3] if until_end else used)
    assert trainer.optimizer.param_groups[0]["momentum"] == 0  # as it was


def test_adam_follows_a_function_of_one_s_own_alone(tmp_path):
    options = {"optim": "adamw_torch", "max_steps": 3}
    with pytest.raises(ValueError, match="AdamW has no law of beta1 to follow"):
        trained(tmp_path, CoupledMomentum(C=0.5), **options)
    with pytest.warns(UserWarning, match="AdamW has no momentum but beta1"):
        _, used = trained(tmp_path, CoupledMomentum(law=own(LAW)), **options)
    assert_pairs_follow(used)


def test_momentum_is_logged_next_to_the_learning_rate(unbroken):
    _, _, trainer, used = unbroken
    logged = [entry for entry in trainer.state.log_history if "learning_rate" in entry]
    assert [entry["momentum"] for entry in logged] == pytest.approx([m for _, m in used])
    steps = [lr / (1 - momentum) for lr, momentum in used]
    assert [entry["effective_step"] for entry in logged] == pytest.approx(steps)


def test_tensorboard_sees_it_where_the_callback_is_in_front(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = Trainer(
        Regression(),
        arguments(tmp_path, report_to="tensorboard", max_steps=3),
        train_dataset=data(),
    )
    CoupledMomentum(C=0.5).attach(trainer)
    trainer.train()
    (file,) = tmp_path.rglob("events*")
    found = events.EventAccumulator(str(file)).Reload()
    momenta = [event.value for event in found.Scalars("train/momentum")]
    assert momenta[0] == pytest.approx(LAW(0.2), rel=1e-6)
    assert len(momenta) == 3


def test_a_training_that_has_ended_can_start_anew(tmp_path):
    trainer, used = trained(tmp_path, CoupledMomentum(C=0.5), max_steps=2)
    trainer.train()
    assert len(used) == 4
    assert used[2:] == used[:2]


def test_resumed_training_is_the_unbroken_one(unbroken, tmp_path):
    until_end, folder, trainer, used = unbroken
    callback = CoupledMomentum(C=0.5, until_end=until_end)
    resumed, rest = trained(tmp_path, callback, resume=str(folder / "checkpoint-5"), **SAVED)
    assert rest == used[5:]
    assert_same_weights(resumed.model, trainer.model)


def test_an_optimizer_that_follows_by_itself_is_logged(tmp_path):
    model = Regression()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.2, C=0.5)
    trainer = Trainer(
        model,
        arguments(tmp_path, max_steps=2),
        train_dataset=data(),
        callbacks=[CoupledMomentum()],
        optimizers=(optimizer, None),
    )
    trainer.train()
    assert trainer.state.log_history[0]["momentum"] == pytest.approx(LAW(0.2))


def test_without_a_law(tmp_path):
    with pytest.raises(ValueError, match="give C or law: SGD follows none by itself"):
        trained(tmp_path, CoupledMomentum())


# --- Accelerate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False], ids=["couple first", "prepare first"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_accelerate_with_plain_couple(before, accumulate):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = Regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    if before:
        coupling = couple(optimizer, LAW)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    if not before:
        coupling = couple(optimizer, LAW)  # Accelerate's wrapper serves as well
    rows = data()
    x, y = (torch.stack([row[name] for row in rows]) for name in ("x", "labels"))
    rates, momenta = [], []
    for _ in range(6):
        with accelerator.accumulate(model):
            optimizer.zero_grad()
            accelerator.backward(model(x, y)["loss"])
            optimizer.step()
            scheduler.step()
        rates.append(coupling.groups()[0].lr)
        momenta.append(coupling.groups()[0].momentum)
    assert len(set(rates)) >= 6 // accumulate
    assert momenta == LAW(rates)


def test_training_begins_with_a_calibration_and_a_resumed_one_keeps_it(tmp_path):
    asked = []

    def measured(model, loader, lr):
        asked.append((len(list(loader)), lr))
        return made_up_calibration(C=0.3 + 0.1 * len(asked), lr=lr)

    unbroken, used = trained(tmp_path, CoupledMomentum(calibrate=measured), **SAVED)
    assert asked == [(3, 0.2)]
    assert_pairs_follow(used, MomentumLaw(0.4))
    resumed, rest = trained(
        tmp_path,
        CoupledMomentum(calibrate=measured),
        resume=str(tmp_path / "checkpoint-5"),
        **SAVED,
    )
    assert len(asked) == 1
    assert rest == used[-len(rest) :]
    assert_same_weights(resumed.model, unbroken.model)


def test_one_callback_calibrates_each_of_two_trainings(tmp_path):
    asked = []

    def measured(model, loader, lr):
        asked.append(lr)
        return made_up_calibration(C=lr, lr=lr)

    callback = CoupledMomentum(calibrate=measured)
    for lr in (0.2, 0.1):
        _, used = trained(tmp_path, callback, learning_rate=lr, max_steps=2)
        assert used[0] == (lr, MomentumLaw(lr)(lr))
    assert asked == [0.2, 0.1]


def test_training_that_fails_can_be_uncoupled_or_begun_again(tmp_path):
    class Failing(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 1 and not hasattr(self, "failed"):
                self.failed = True
                raise RuntimeError("in the middle")

    used, callback = Used(), CoupledMomentum(C=0.5)
    trainer = Trainer(
        Regression(),
        arguments(tmp_path, max_steps=3),
        train_dataset=data(),
        callbacks=[used, callback, Failing()],
    )
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer.train()
    trainer.train()
    assert_pairs_follow(used.pairs)
    callback.on_train_begin(
        trainer.args, trainer.state, trainer.control, optimizer=trainer.optimizer, model=None
    )
    callback.uncouple()
    assert trainer.optimizer.param_groups[0]["momentum"] == 0
    couple(trainer.optimizer, LAW)
