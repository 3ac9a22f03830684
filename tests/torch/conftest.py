import logging
import warnings

import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors; threads only get into each other's way."""
    torch.set_num_threads(1)


@pytest.fixture
def double():
    """Numbers are in double precision if nothing else is said."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def quiet_lightning():
    """Without advice on data loaders and the like."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
