"""cuBLASLt multiplies where the table of products says so, and leaves everybody else's library alone."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from server.models import triton_products
from server.models.blas import multiplied_by
from server.models.triton_products import FloatProduct

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# Where there is a GPU, this is a test of it.
pytestmark = [pytest.mark.gpu] if DEVICE.type == "cuda" else []


def current() -> str:
    return torch.backends.cuda.preferred_blas_library().name.lower()


def test_the_library_is_the_old_one_again_afterwards_whatever_happens() -> None:
    before, inside = current(), []

    def fail() -> None:
        with multiplied_by("cublaslt"):
            inside.append(current())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert inside == ["cublaslt"]
    assert current() == before


@pytest.mark.parametrize("has_bias", [False, True])
def test_products_change_the_library_for_the_rows_of_the_table_only(
    monkeypatch: pytest.MonkeyPatch, has_bias: bool
) -> None:
    shape, used, usual = (48, 64), [], current()
    monkeypatch.setattr(triton_products, "LT_ROWS", {shape: (range(17, 33), range(65, 129))})
    name = "addmm" if has_bias else "mm"
    multiply = getattr(torch, name)

    def noted(*args: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        used.append(current())
        return multiply(*args, out=out)

    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(shape, generator=generator).to(DEVICE), torch.randn(48, generator=generator).to(DEVICE)
    product = FloatProduct(weight, bias if has_bias else None)
    monkeypatch.setattr(torch, name, noted)
    for num_rows in (32, 33, 64, 65, 128, 129):
        x = torch.randn(num_rows, 64, generator=generator).to(DEVICE)
        expected = F.linear(x, weight, bias if has_bias else None)
        torch.testing.assert_close(product(x), expected, atol=2e-3, rtol=2e-3)
    assert used == ["cublaslt", usual, usual, "cublaslt", "cublaslt", usual]
