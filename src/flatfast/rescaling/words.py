"""A setting's numbers in words, and what became of them."""

import math

from flatfast.rescaling.setting import Setting


def numbers(setting: Setting) -> dict[str, str]:
    """What a setting has, by its names in words."""
    betas = {f"beta {index}": beta for index, beta in enumerate(setting.betas or (), start=1)}
    decays = {"momentum": setting.momentum, **betas, "alpha": setting.alpha}
    sizes = {"eps": setting.eps, "weight decay": setting.weight_decay}
    found = {"lr": f"{setting.lr:.4g}"}
    found |= {name: _decay(decay) for name, decay in decays.items() if decay is not None}
    found |= {name: f"{size:.3g}" for name, size in sizes.items() if size is not None}
    if setting.averaging is not None:
        found["averaging"] = _decay(setting.averaging, 5)
    return found


def moves(before: Setting | None, after: Setting) -> str:
    """What every number was, is now, or stays, in one line, without a weight decay of 0."""
    old = {} if before is None else numbers(before)
    return ", ".join(
        _move(name, old.get(name), now)
        for name, now in numbers(after).items()
        if (name, now, old.get(name, now)) != ("weight decay", "0", "0")
    )


def _move(name: str, before: str | None, now: str) -> str:
    if before is None:
        return f"{name} {now}"
    return f"{name} {now} stays" if before == now else f"{name} {before} -> {now}"


def _decay(decay: float, fewest: int = 4) -> str:
    """With as many digits as tell it from 1, and its complement to one in twenty."""
    digits = next((n for n in range(fewest, 17) if _tells(decay, f"{decay:.{n}g}")), 17)
    return f"{decay:.{digits}g}"


def _tells(decay: float, text: str) -> bool:
    return math.isclose(1 - float(text), 1 - decay, rel_tol=0.05)
