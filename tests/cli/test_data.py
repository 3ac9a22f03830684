"""``--data``: where the images lie is the machine's affair; which they are is the result's."""

import json

import pytest

from flatfast.cli.reproduce import _next_commands
from flatfast.cli.studies import portable
from tests.made_up import image_folder

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = (
    *("sweep", "fashion-mlp", "--lr", 0.01, "--momentum", "0.5,0.9", "--seeds", 1, "--steps", 20),
    *("--records", 2, "--start", "init", "--out", "here"),
    *("--set", "examples=20", "--set", "test_examples=10"),
    *("--set", "width=6", "--set", "depth=2", "--goal", "loss", "--threshold", 0.5),
)


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLATFAST_DATA", raising=False)
    return image_folder(tmp_path / "fashion_mnist", "image", (28, 28), 60, 30)


def manifest(folder):
    return json.loads((folder / "here" / "manifest.json").read_text())


def test_a_sweep_says_which_images_and_not_where(flatfast, images, tmp_path, monkeypatch):
    words = [str(word) for word in (*SWEEP, "--data", images)]
    monkeypatch.setattr("sys.argv", ["flatfast", *words])
    answer = flatfast(*words)
    assert answer.code == 0, answer.err
    told = manifest(tmp_path)
    assert told["settings"]["problem"]["settings"]["data"].startswith("fashion_mnist:")
    for name in ("manifest.json", "summary.json", "index.html", "runs.parquet"):
        assert str(tmp_path).encode() not in (tmp_path / "here" / name).read_bytes()
    # The same images elsewhere: the same sweep goes on.
    (tmp_path / "moved").mkdir()
    images.rename(tmp_path / "moved" / "fashion_mnist")
    monkeypatch.setenv("FLATFAST_DATA", str(tmp_path / "moved"))
    more = flatfast(*SWEEP[:6], "--seeds", 2, *SWEEP[8:])
    assert more.code == 0, more.err
    assert "2 runs are stored already" in more.out


def test_calibrate_and_predict_take_it_too(flatfast, images):
    small = ("--set", "examples=20", "--set", "test_examples=10", "--set", "width=6")
    words = (*small, "--set", "depth=2", "--set", "start=init", "--data", images.parent)
    answer = flatfast("calibrate", "fashion-mlp", "--lr", 0.01, "--budget", 40, *words)
    assert answer.code in (0, 3), answer.err
    answer = flatfast("predict", "fashion-mlp", "--data", images / "nowhere")
    assert "no folder" in answer.told(1)


def test_a_problem_without_images(flatfast, images):
    answer = flatfast("reproduce", "scalar-product", "--data", images)
    assert "has no setting 'data'" in answer.told(2)


def test_a_wrong_folder(flatfast, tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path / "cache"))
    other = image_folder(tmp_path / "cifar10", "img", (32, 32, 3), 60, 30)
    answer = flatfast("reproduce", "fashion-mlp", "--data", other)
    assert "expected fashion_mnist (28 x 28 x 1, 10 classes), found images of 32" in answer.told(2)


@pytest.mark.parametrize(
    "given",
    [
        "flatfast sweep fashion-mlp --data /home/me/images --lr 0.1",
        "flatfast sweep fashion-mlp --data=/home/me/images --lr 0.1",
        "flatfast sweep fashion-mlp --set data=/home/me/images --lr 0.1",
        "flatfast sweep fashion-mlp --set=data=images --lr 0.1",
    ],
)
def test_a_command_as_anybody_can_repeat_it(given):
    assert portable(given) == "flatfast sweep fashion-mlp --lr 0.1"
    kept = "flatfast sweep fashion-mlp --set width=8 --lr 0.1"
    assert portable(kept) == kept


def test_the_next_command_finds_the_images_too():
    assert "reproduce fashion-mlp --full --data 'my images'  " in _next_commands(
        "fashion-mlp", "my images"
    )
    assert "reproduce digits-mlp --full  " in _next_commands("digits-mlp", None)
