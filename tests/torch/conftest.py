import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")


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
