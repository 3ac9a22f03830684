"""What the callbacks share, without their frameworks."""

import torch
from torch import nn

from flatfast.torch.callback import Follower
from tests.made_up import made_up_calibration


def test_a_calibration_is_made_for_the_learning_rate_that_a_warm_up_leads_to():
    asked, modes = [], []

    def calibrate(model, data, lr):
        asked.append(lr)
        modes.append(model.training)
        return made_up_calibration(C=0.3, lr=lr)

    model = nn.Linear(2, 1).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert optimizer.param_groups[0]["lr"] == 0
    follower = Follower(calibrate=calibrate)
    follower.start([optimizer], 100, model, None)
    assert asked == [0.1]
    assert modes == [True]
    assert not model.training
    assert follower.C == 0.3
