"""What a forward does that has no explanation is refused in one sentence, which names it, its place and the remedy."""
import pytest

from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
if torch is None:
    pytest.skip(libraries.REASONS["torch"], allow_module_level=True)
F = torch.nn.functional


class Inner(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.dense, self.f = torch.nn.Linear(6, 6), f

    def forward(self, x):
        return self.f(self.dense(x))


def hidden_spread(x):
    with torch.no_grad():
        spread = x.std(-1, keepdim=True)
    return x / spread


REFUSED = {
    "a hidden gradient": (lambda x: x * x.detach(), "1: detach: the output depends on it and the gradient of torch"),
    "no_grad": (hidden_spread, "1: no_grad: the output depends on it .* leave out torch.no_grad"),
    "noise": (lambda x: x + 1e-4 * torch.randn(6), "1: randn: draws at random whenever it runs"),
    "noise like x": (lambda x: x + torch.rand_like(x), "1: rand_like: draws at random whenever it runs"),
    "noise in a softmax": (lambda x: F.gumbel_softmax(x), "1: exponential: draws at random"),
    "a forward that decides": (lambda x: x if x.sum() > 0 else -x, r"refusals.py, line \d+, .* decides by the"),
    "sizes by values": (lambda x: x[x[:, 0] > 0].sum(0, True), "takes places that are computed from the input"),
    "half precision": (lambda x: x.half().float() * 2, "1: .*copy: rounds to torch.float16 what is computed"),
    "the best": (lambda x: x.topk(2).values, "1: topk: chooses or counts by the values of its input"),
    "a spectrum": (lambda x: torch.fft.rfft(x).abs(), "1: fft_rfft: _fft_r2c is not supported"),
    "the number of images": (lambda x: x * len(x), r"a number that depends on how many images there are \(len\(x\)\)"),
    "images beside each other": (lambda x: torch.cat([x, x]).chunk(2)[0], "1: cat: joins batches of images"),
    "images compared": (lambda x: torch.cdist(x, x), "mixes images"),
    "a type that torch cannot mix": (lambda x: x @ torch.eye(6, dtype=torch.float64), "does not take"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_forward_without_an_explanation_is_refused_in_a_sentence(name, capsys):
    f, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        from_torch(torch.nn.Sequential(torch.nn.ReLU(), Inner(f)), (6,))
    said = capsys.readouterr()
    assert not said.out and not said.err, "torch's graph is not printed beside the sentence"
