"""Vision transformers whose attention is written in the ways in which people write it. See test_attention_import.py."""
from tests.peers import libraries

torch = libraries.torch
C, HEADS = 12, 3                                    # channels, heads
KINDS = ["one product for all three", "a product each", "scaled_dot_product_attention", "causal", "masked by a buffer",
         "one head without projections", "MultiheadAttention", "tokens first", "encoder layer"]


def vit(kind, dtype="float64"):
    """A network for images (N, 2, 8, 8) with random weights: patches, class token, positions, two blocks, a head."""
    torch.manual_seed(0)
    module = ViT(kind)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.4
    return module.to(getattr(torch, dtype)).eval()


class Attention(torch.nn.Module if torch else object):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        names = {"one product for all three": ["qkv"], "masked by a buffer": ["qkv"], "MultiheadAttention": [],
                 "tokens first": []}.get(kind, ["q", "k", "v"])
        for name in [*names, *(["out"] if names else [])]:
            setattr(self, name, torch.nn.Linear(C, 3 * C if name == "qkv" else C))
        if not names:
            self.inner = torch.nn.MultiheadAttention(C, HEADS, batch_first=kind == "MultiheadAttention")
        self.register_buffer("seen", torch.ones(9, 9).tril().view(1, 1, 9, 9))

    def forward(self, x):
        N, T, _ = x.shape
        if self.kind == "one product for all three":
            q, k, v = self.qkv(x).reshape(N, T, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
            q = q * (C // HEADS) ** -0.5
            return self.out(((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(N, T, C))
        if self.kind == "a product each":
            q, k, v = (each(x).view(N, T, HEADS, C // HEADS).permute(0, 2, 1, 3) for each in (self.q, self.k, self.v))
            scores = torch.matmul(q, k.transpose(-1, -2)) / (C // HEADS) ** 0.5
            weights = torch.nn.functional.softmax(scores, dim=-1)
            return self.out(torch.matmul(weights, v).permute(0, 2, 1, 3).contiguous().view(N, T, C))
        if self.kind in ("scaled_dot_product_attention", "causal"):
            q, k, v = (each(x).view(N, T, HEADS, -1).transpose(1, 2) for each in (self.q, self.k, self.v))
            o = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.kind == "causal")
            return self.out(o.transpose(1, 2).flatten(2))
        if self.kind == "masked by a buffer":
            q, k, v = self.qkv(x).split(C, dim=2)
            q, k, v = (each.view(N, T, HEADS, C // HEADS).transpose(1, 2) for each in (q, k, v))
            scores = q @ k.transpose(-2, -1) * (C // HEADS) ** -0.5
            scores = scores.masked_fill(self.seen[:, :, :T, :T] == 0, float("-inf"))
            return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(N, T, C))
        if self.kind == "one head without projections":
            scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) * C ** -0.5
            return torch.bmm(torch.softmax(scores, -1), self.v(x))
        if self.kind == "MultiheadAttention":
            return self.inner(x, x, x, need_weights=False)[0]
        x = x.transpose(0, 1)                       # tokens first
        return self.inner(x, x, x)[0].transpose(0, 1)


class Block(torch.nn.Module if torch else object):
    def __init__(self, kind):
        super().__init__()
        self.attention, self.norm1, self.norm2 = Attention(kind), torch.nn.LayerNorm(C), torch.nn.LayerNorm(C)
        self.dense = torch.nn.Sequential(torch.nn.Linear(C, 20), torch.nn.GELU(), torch.nn.Linear(20, C))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.dense(self.norm2(x))


class ViT(torch.nn.Module if torch else object):
    def __init__(self, kind):
        super().__init__()
        self.patches = torch.nn.Conv2d(2, C, 4, 4)
        self.token, self.places = (torch.nn.Parameter(torch.zeros(1, n, C)) for n in (1, 5))
        self.blocks = torch.nn.Sequential(*(
            torch.nn.TransformerEncoderLayer(C, HEADS, 20, batch_first=True, norm_first=True)
            if kind == "encoder layer" else Block(kind) for _ in range(2)))
        self.norm, self.head = torch.nn.LayerNorm(C), torch.nn.Linear(C, 7)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return self.head(self.norm(self.blocks(x)).mean(dim=1))
