"""Functions that no table names are taken apart by torch, and read so; constants stand where the input is usual.

Fourier transforms are products with cosines and sines.
"""
import pytest

from tests.peers import libraries

torch = libraries.torch
if torch is None:
    pytest.skip(libraries.REASONS["torch"], allow_module_level=True)
from tests.peers import families                            # noqa: E402  it needs torch

F = torch.nn.functional
FOURIER = {
    "fft": lambda m, x: torch.fft.fft(x, dim=1).imag,
    "fft of fft": lambda m, x: torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real,
    "fft2": lambda m, x: torch.fft.fft2(x, norm="ortho").real,
    "fftn": lambda m, x: torch.view_as_real(torch.fft.fftn(x, dim=(1, 2), norm="forward")),
}
TAKEN_APART = {
    "cosine_similarity": lambda m, x: F.cosine_similarity(x, m.rows, dim=-1),
    "tensordot": lambda m, x: torch.tensordot(x, m.rows, dims=([1], [0])),
    "addcdiv": lambda m, x: torch.addcdiv(x, m.rows, x * x + 1),
    "diff": lambda m, x: x.diff(dim=1),
    "rot90": lambda m, x: torch.rot90(x, 1, (1, 2)),
    "tril": lambda m, x: torch.tril(x),
    "trapezoid": lambda m, x: torch.trapezoid(x, dim=1),
    "threshold": lambda m, x: F.threshold(x, 0.1, 0.2),
    "logit": lambda m, x: torch.logit(torch.sigmoid(x)),
    "sinc": lambda m, x: torch.sinc(x),
    "kron": lambda m, x: torch.kron(x[:, 0], m.rows[:1]),
    "cdist": lambda m, x: torch.cdist(x, m.rows),
}
CONSTANTS = {
    "type_as of a constant": lambda m, x: m.truths.type_as(x) * x,
    "type_as of a constant for each image": lambda m, x: (torch.arange(4 * x.shape[0]).reshape(
        -1, 4, 1) >= 0).type_as(x) * x,
    "type_as whole numbers": lambda m, x: m.rows.type_as(m.truths.long()) + x,
    "each number times a vector": lambda m, x: x[:, 0, :, None] * m.rows[0],
    "each number plus a vector": lambda m, x: x[:, 0, :, None] + m.rows[0],
    "each number times a matrix": lambda m, x: x[:, 0, :, None, None] * m.rows,
    "each number of several rows times a matrix": lambda m, x: x[..., None, None] * m.rows[:2],
    "each number plus a matrix": lambda m, x: x[:, 0, :, None, None] + m.rows,
    "max of a number": lambda m, x: torch.max(x, torch.tensor(0.1, dtype=x.dtype)),
    "min of a constant": lambda m, x: torch.min(x, m.rows),
    "baddbmm of a constant for each image": lambda m, x: torch.baddbmm(
        m.rows[:, :4].expand(x.shape[0], -1, -1), x, x.transpose(1, 2), beta=0.5, alpha=0.3),
    "baddbmm of nothing": lambda m, x: torch.baddbmm(
        x.new_zeros(x.shape[0], 4, 4), x, x.transpose(1, 2), beta=0, alpha=2),
    "einsum with a constant for each image": lambda m, x: torch.einsum("bid,jbd->bij", x, m.rows[:, None].expand(
        -1, x.shape[0], -1)),
}


class Calls(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f, self.dense = f, torch.nn.Linear(6, 6)
        self.register_buffer("rows", torch.rand(4, 6) + 0.5)
        self.register_buffer("truths", torch.arange(24).reshape(4, 6) % 2 == 0)

    def forward(self, x):
        return self.f(self, self.dense(x))


@pytest.mark.parametrize("f", [*FOURIER.values(), *TAKEN_APART.values(), *CONSTANTS.values()],
                         ids=[*FOURIER, *TAKEN_APART, *CONSTANTS])
def test_it_computes_what_torch_does(f):
    found, _ = families.compared(lambda: {"module": Calls(f), "args": (torch.randn(2, 4, 6),)})
    assert found["result"] == "right" and max(found["outputs"], found["gradients"]) < 1e-12, found


@pytest.mark.parametrize("f, sentence", [
    (lambda m, x: torch.fft.fft(x, n=8).real, "pads or cuts what it transforms"),
    (lambda m, x: torch.fft.fftn(x).real, "holds images"),
    (lambda m, x: torch.fft.fft(x) * 2, "complex"),
    (lambda m, x: torch.fft.fft(x), "complex"),
])
def test_what_else_is_complex_is_refused_in_a_sentence(f, sentence):
    found, _ = families.compared(lambda: {"module": Calls(f), "args": (torch.randn(2, 4, 6),)})
    assert found["result"] == "refused" and sentence in found["said"], found


def test_a_factor_that_differs_between_images_is_refused():
    found, _ = families.compared(lambda: {"module": Calls(lambda m, x: torch.einsum(
        "bid,bjd->bij", x, torch.arange(x.shape[0]).to(x)[:, None, None].expand(-1, 4, 6))),
        "args": (torch.randn(2, 4, 6),)})
    assert found["result"] == "refused" and "a factor depends on the number of images" in found["said"], found
