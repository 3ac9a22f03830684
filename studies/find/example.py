"""The search that ``docs/find.md`` shows, kept so that its words and its picture are of one run."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.torch.finding import Found, Pair, find
from flatfast.torch.finding.result import Trial


def searched() -> dict[str, Any]:
    """What it found, as plain JSON, and its words."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(2048, 16)
    y = (x[:, :4].sin().sum(1) + 0.3 * torch.randn(2048) > 0).long()
    data = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    found = find(model, F.cross_entropy, data, budget=600, steps=5000)
    return {"words": str(found), "found": asdict(found)}


def rebuilt(kept: Mapping[str, Any]) -> Found:
    """The search that was kept."""

    def pair(told: Mapping[str, float]) -> Pair:
        return Pair(**told)

    own = dict(kept)
    for name in ("pair", "measured"):
        own[name] = pair(own[name])
    before, after = map(pair, own["optima"])
    own["optima"] = (before, after)
    own["as_good"] = tuple(map(pair, own["as_good"]))
    own["trials"] = tuple(
        Trial(pair(each["pair"]), each["horizon"], tuple(each["losses"])) for each in own["trials"]
    )
    own["horizons"] = tuple(own["horizons"])
    return Found(**own)
