import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors; threads only get into each other's way."""
    torch.set_num_threads(1)
