"""The page of a gauge in docs/watch_training.md, from a small training, as HTML and as pictures.

A network of 64 units learns a sine from 24 examples, first without and then with noise on its
labels, by ``flatfast.torch.SGD`` with a measured law. Pictures need a Chromium on the path, and are
left as they are without one. Writes ``results/gauge``.

    python -m scripts.gauge_picture
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

import flatfast.torch
from flatfast.calibration import Calibration
from flatfast.torch import Gauge, LabelNoise, LargestCurvature, calibrate

FOLDER = Path(__file__).resolve().parents[1] / "results" / "gauge"
FITTING, NOISY = 1500, 6000
"""Steps without and with noise."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1080, 935)
"""Of a picture, in pixels of the page."""


def train(page: Path) -> Gauge:
    """Train, with the gauge's page in a file."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))
    x = torch.randn(24, 4)
    y = x[:, :1].sin()
    plain = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(FITTING):
        step(plain, mse_loss(model(x), y))

    noise = LabelNoise(0.1)

    def measure(lr: float) -> Calibration:
        return calibrate(model, lambda f, t: mse_loss(f, noise(t)), (x, y), lr, budget=240)

    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C="auto", measure=measure)
    optimizer.auto.share = 0.2  # type: ignore[union-attr]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, NOISY, eta_min=0.01)
    gauge = Gauge(optimizer, curvature=LargestCurvature(model, mse_loss, (x, y)), share=0.05)
    gauge.page(page, title="A sine with noisy labels")
    for number in range(NOISY):
        step(optimizer, mse_loss(model(x), noise(y)))
        schedule.step()
        if number % 200 == 0:
            print(gauge)
    gauge.close()
    return gauge


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of gradient descent."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def picture(page: Path, to: Path, *, dark: bool) -> None:
    """A picture of the page, in one of its themes; none without a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no picture: none of {', '.join(BROWSERS)} is on the path")
        return
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
            "--force-device-scale-factor=1",
            f"--screenshot={to}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Train, and write the page and its pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    page = FOLDER / "run.html"
    train(page)
    picture(page, FOLDER / "run.png", dark=False)
    picture(page, FOLDER / "run-dark.png", dark=True)


if __name__ == "__main__":
    main()
