"""Labelled images: found, chosen, decoded, cached, told by a checksum and not by a place."""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flatfast.lab import images as module
from flatfast.lab.images import CIFAR10, DATA, FASHION_MNIST, balanced, load_images, place_of
from flatfast.lab.problems import load
from tests.made_up import image_folder

pytest.importorskip("PIL", reason="needs the data extra")

REAL = Path(os.environ.get(DATA, Path(__file__).parents[3] / "shared" / "data"))
SMALL = {"examples": 20, "test_examples": 10, "width": 8, "depth": 2, "start": "init"}


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(DATA, raising=False)


@pytest.fixture
def fashion(tmp_path):
    return image_folder(tmp_path / "fashion_mnist", "image", (28, 28), 60, 30)


@pytest.fixture
def cifar(tmp_path):
    return image_folder(tmp_path / "cifar10", "img", (32, 32, 3), 60, 30)


def test_a_whole_split_in_its_own_order(cifar):
    found = load_images(CIFAR10, str(cifar), "train")
    assert found.pixels.shape == (60, 32, 32, 3)
    assert found.pixels.dtype == np.uint8
    # Brightness grows with the class.
    assert np.corrcoef(found.pixels.mean((1, 2, 3)), found.labels)[0, 1] > 0.99
    table = pq.read_table(cifar / "train-00000-of-00001.parquet")
    np.testing.assert_array_equal(found.labels, table["label"].to_pylist())


def test_a_subset_is_balanced_and_a_matter_of_the_seed(fashion):
    found = load_images(FASHION_MNIST, str(fashion), "train", 23, seed=1)
    assert sorted(np.bincount(found.labels).tolist()) == [2] * 7 + [3] * 3
    again = load_images(FASHION_MNIST, str(fashion), "train", 23, seed=1)
    np.testing.assert_array_equal(found.pixels, again.pixels)
    other = load_images(FASHION_MNIST, str(fashion), "train", 23, seed=2)
    assert found.checksum == again.checksum != other.checksum


def test_the_second_time_nothing_is_decoded(fashion, monkeypatch):
    first = load_images(FASHION_MNIST, str(fashion), "train", 20)
    decoded = []
    pixels = module._pixels
    monkeypatch.setattr(module, "_pixels", lambda *cell: decoded.append(1) or pixels(*cell))
    assert load_images(FASHION_MNIST, str(fashion), "train", 20).checksum == first.checksum
    assert len(decoded) == 1  # to see of what shape they are


def test_other_files_are_other_images(fashion):
    first = load_images(FASHION_MNIST, str(fashion), "train", 20)
    (fashion / "train-00000-of-00001.parquet").unlink()
    (fashion / "test-00000-of-00001.parquet").rename(fashion / "train-00000-of-00001.parquet")
    assert load_images(FASHION_MNIST, str(fashion), "train", 20).checksum != first.checksum


@pytest.mark.parametrize("layout", ["bytes", "lists", "struct of bytes"])
def test_raw_pixels(fashion, tmp_path, layout):
    whole = load_images(FASHION_MNIST, str(fashion), "train")
    cells = [image.tobytes() for image in whole.pixels]
    if layout == "lists":
        cells = [image[..., 0].tolist() for image in whole.pixels]
    elif layout == "struct of bytes":
        cells = [{"bytes": cell, "path": None} for cell in cells]
    raw = tmp_path / "raw"
    raw.mkdir()
    table = pa.table({"image": pa.array(cells), "labels": whole.labels})
    pq.write_table(table, raw / "train.parquet")
    found = load_images(FASHION_MNIST, str(raw), "train")
    np.testing.assert_array_equal(found.pixels, whole.pixels)
    assert found.checksum == whole.checksum  # however they were packed


@pytest.mark.parametrize(
    ("wanted", "other", "found"),
    [
        ("fashion", "cifar", r"expected fashion_mnist \(28 x 28 x 1, 10 .*found images of 32 x 32"),
        ("cifar", "fashion", r"expected cifar10 \(32 x 32 x 3, 10 .*found images of 28 x 28 x 1"),
    ],
)
def test_another_data_set_is_refused(request, wanted, other, found):
    kind = {"fashion": FASHION_MNIST, "cifar": CIFAR10}[wanted]
    with pytest.raises(ValueError, match=found):
        load_images(kind, str(request.getfixturevalue(other)), "train", 10)


def test_more_classes_than_expected(fashion):
    path = fashion / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "label", pa.array(np.arange(60))), path)
    with pytest.raises(ValueError, match="found labels from 0 to 59"):
        load_images(FASHION_MNIST, str(fashion), "train", 10)


def test_where_they_are(fashion, monkeypatch):
    parent = str(fashion.parent)
    assert place_of(FASHION_MNIST, str(fashion)) == fashion
    assert place_of(FASHION_MNIST, parent) == fashion
    assert place_of(FASHION_MNIST, "") == FASHION_MNIST.hub
    assert place_of(FASHION_MNIST, "somebody/else") == "somebody/else"
    assert place_of(CIFAR10, "somebody") == "somebody/cifar10"
    monkeypatch.setenv(DATA, parent)
    assert place_of(FASHION_MNIST, "") == fashion


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("@", r"no Parquet files in .*cifar10; the folder holds fashion_mnist"),
        ("@/nowhere", r"no folder .*nowhere with cifar10"),
    ],
)
def test_a_folder_without_them(fashion, data, message):
    with pytest.raises(FileNotFoundError, match=message):
        place_of(CIFAR10, data.replace("@", str(fashion.parent)))


def test_damaged_files(fashion):
    (fashion / "train-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"train-00000-of-00001.parquet cannot be read as Parquet"):
        load_images(FASHION_MNIST, str(fashion), "train")
    (fashion / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"of the split train .*it has test"):
        load_images(FASHION_MNIST, str(fashion), "train")


def test_damage_within_files_says_where(fashion):
    path = fashion / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    pictures = [{**cell, "bytes": cell["bytes"][:40]} for cell in table["image"].to_pylist()]
    cells = pa.array(pictures, table["image"].type)
    pq.write_table(table.set_column(0, table.field("image"), cells), path)
    with pytest.raises(ValueError, match=r"a picture in .*fashion_mnist cannot be read: "):
        load_images(FASHION_MNIST, str(fashion), "train")
    whole = bytearray(path.read_bytes())
    whole[100:400] = bytes(300)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"train-00000-of-00001.parquet cannot be read as Parquet"):
        load_images(FASHION_MNIST, str(fashion), "train")


@pytest.mark.parametrize("data", ["", "mistyped/folder"])
def test_without_a_folder_and_without_what_reads_the_hub(monkeypatch, data):
    monkeypatch.setitem(sys.modules, "datasets", None)
    named = data or FASHION_MNIST.hub
    message = f"as '{named}', because no local folder is named .--data FOLDER or {DATA}.*data"
    with pytest.raises(ModuleNotFoundError, match=message):
        load_images(FASHION_MNIST, data, "train", 10)


def test_columns_of_other_names(fashion):
    path = fashion / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).rename_columns(["picture", "label"]), path)
    with pytest.raises(ValueError, match="must have a column 'image', got picture, label"):
        load_images(FASHION_MNIST, str(fashion), "train")


def test_balanced():
    labels = np.repeat([0, 1, 2], [5, 9, 3])
    assert np.bincount(labels[balanced(labels, 6, 0)]).tolist() == [2, 2, 2]
    chosen = balanced(labels, 8, 3)
    assert len(set(chosen.tolist())) == 8
    with pytest.raises(ValueError, match="12 images of the data take 4 of class 2, which has 3"):
        balanced(labels, 12, 0)
    with pytest.raises(ValueError, match=r"must be in \[1, 17\], got 0"):
        balanced(labels, 0, 0)


def test_a_problem_keeps_name_and_checksum_and_no_path(fashion, monkeypatch):
    problem = load("fashion-mlp", {"data": str(fashion), **SMALL})
    name, checksum = problem.settings["data"].split(":")
    assert (name, len(checksum)) == ("fashion_mnist", 16)
    # Made again from what is kept, wherever the images lie now.
    monkeypatch.setenv(DATA, str(fashion.parent))
    again = load("fashion-mlp", dict(problem.settings))
    assert again.settings == problem.settings
    with pytest.raises(ValueError, match=f"must be fashion_mnist:0000, as before, got {name}"):
        load("fashion-mlp", {**SMALL, "data": "fashion_mnist:0000"})


@pytest.mark.parametrize("images", [FASHION_MNIST, CIFAR10], ids=str)
def test_the_real_ones(images):
    if not (REAL / images.name).is_dir():
        pytest.skip(f"no {images.name} in {REAL}: set {DATA} to the folder that holds it")
    found = load_images(images, str(REAL), "test", 100)
    assert np.bincount(found.labels).tolist() == [10] * 10
    assert found.pixels.shape == (100, *images.shape)
