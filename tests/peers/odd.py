"""Modules that nobody has published: what public architectures are made of, put together in other ways.

Each is read, and computes what torch computes: outputs and input gradients, to 1e-9 of the largest in float64.
"""
from tests.peers import libraries

torch = libraries.torch
ODD = {}


def odd(*shape, count=2):
    """Enter a class of modules, with the shape of one of its inputs."""
    def enter(kind):
        def make():
            return {"module": kind(), "args": (torch.randn(count, *shape),)}
        ODD[kind.__name__] = make
        return kind
    return enter


if torch is not None:
    from torch import nn
    F = torch.nn.functional

    def heads(x, count):
        """(N, T, C) -> (N, heads, T, C / heads)"""
        return x.unflatten(-1, (count, -1)).transpose(1, 2)

    @odd(3, 16, 16)
    class TalkingHeads(nn.Module):
        """Attention whose scores, and whose weights, are mixed between the heads; a bias for each relative place."""

        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 24, 4, 4)
            self.qkv, self.out, self.head = nn.Linear(24, 72), nn.Linear(24, 24), nn.Linear(24, 5)
            self.before, self.behind = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
            self.table = nn.Parameter(torch.randn(49, 4))
            places = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
            apart = places[:, :, None] - places[:, None] + 3
            self.register_buffer("apart", apart[0] * 7 + apart[1])

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            q, k, v = (heads(part, 4) for part in self.qkv(x).chunk(3, -1))
            scores = q @ k.transpose(-1, -2) * 6 ** -0.5 + self.table[self.apart].permute(2, 0, 1)
            scores = self.before(scores.permute(0, 2, 3, 1)).softmax(2)
            weights = self.behind(scores).permute(0, 3, 1, 2)
            x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
            return self.head(x.mean(1))

    @odd(3, 16, 16)
    class ShiftedWindows(nn.Module):
        """Windows of three pixels' width over five, shifted, padded, masked where what is no neighbour meets."""

        def __init__(self):
            super().__init__()
            self.stem, self.qkv, self.out = nn.Conv2d(3, 12, 3, 2, 1), nn.Linear(12, 36), nn.Linear(12, 12)
            self.norm, self.scale = nn.LayerNorm(12), nn.Parameter(torch.rand(3, 1, 1) + 0.5)
            region = torch.zeros(9, 9)
            region[-3:], region[:, -3:] = 1, region[:, -3:] + 2
            windows = self.windows(region[None, :, :, None]).squeeze(-1)
            self.register_buffer("mask", torch.where(windows[:, None] == windows[:, :, None], 0.0, -100.0))

        @staticmethod
        def windows(x):
            N, H, W, C = x.shape
            return x.view(N, H // 3, 3, W // 3, 3, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 9, C)

        def forward(self, x):
            x = self.stem(x).permute(0, 2, 3, 1)
            y = torch.roll(F.pad(self.norm(x), (0, 0, 0, 1, 0, 1)), (-1, -1), (1, 2))
            N, H, W, C = y.shape
            q, k, v = self.qkv(self.windows(y)).view(-1, 9, 3, 3, 4).permute(2, 0, 3, 1, 4)
            scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2) * self.scale.clamp(max=1.2)
            scores = scores.view(N, 9, 3, 9, 9) + self.mask[None, :, None]
            y = scores.view(-1, 3, 9, 9).softmax(-1) @ v
            y = self.out(y.transpose(1, 2).reshape(-1, 9, C)).view(N, H // 3, W // 3, 3, 3, C)
            y = y.permute(0, 1, 3, 2, 4, 5).reshape(N, H, W, C)
            y = torch.roll(y, (1, 1), (1, 2))[:, :8, :8]
            return (x + y).permute(0, 3, 1, 2)

    @odd(3, 12, 16)
    class DecomposedPlaces(nn.Module):
        """Scores with a term for the row and one for the column of each key, from the queries themselves."""

        def __init__(self):
            super().__init__()
            self.patches, self.qkv, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24), nn.Linear(8, 4)
            self.rows, self.columns = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(7, 4))

        def forward(self, x):
            x = self.patches(x).permute(0, 2, 3, 1)
            N, H, W, C = x.shape
            q, k, v = self.qkv(x).reshape(N, H * W, 3, 2, 4).permute(2, 0, 3, 1, 4).reshape(3, N * 2, H * W, 4)
            rows = self.rows[torch.arange(H)[:, None] - torch.arange(H) + H - 1]
            columns = self.columns[torch.arange(W)[:, None] - torch.arange(W) + W - 1]
            grid = q.view(-1, H, W, 4)
            scores = (q / 2 @ k.mT).view(-1, H, W, H, W) + \
                torch.einsum("bhwc,hkc->bhwk", grid, rows)[..., None] + \
                torch.einsum("bhwc,wkc->bhwk", grid, columns)[..., None, :]
            y = scores.view(-1, H * W, H * W).softmax(-1) @ v
            y = y.view(N, 2, H, W, 4).permute(0, 2, 3, 1, 4).flatten(-2)
            return self.head(x + y).amax((1, 2))

    @odd(4, 12, 12)
    class Gates(nn.Module):
        """Squeeze-and-excitation with gates of several kinds: a hard one, a signed one, one for each pixel."""

        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(4, 16, 3, bias=False), nn.Linear(16, 16)
            self.pixel = nn.Conv2d(2, 1, 5, 1, 2)
            self.norm, self.local = nn.BatchNorm2d(16), nn.Conv1d(1, 1, 3, padding=1, bias=False)
            self.head = nn.Linear(32, 6)

        def forward(self, x):
            x = F.mish(self.norm(self.one(x)))
            x = x * F.relu6(self.two(x.mean((2, 3))) + 3)[:, :, None, None] / 6
            x = x * (1 + torch.tanh(self.local(x.amax((2, 3))[:, None]))).transpose(1, 2).unsqueeze(-1)
            x = x * self.pixel(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True).values], 1)).sigmoid()
            scale, shift = x.std((2, 3)), x.var((2, 3), unbiased=False)
            return self.head(torch.cat([scale, shift], 1))

    @odd(3, 12, 16)
    class Shuffles(nn.Module):
        """Pixels into channels and back, transposed convolutions in groups, weight norm and spectral norm."""

        def __init__(self):
            super().__init__()
            from torch.nn.utils import parametrizations
            self.one = parametrizations.weight_norm(nn.Conv2d(12, 16, 3, padding=1, groups=2))
            self.two = nn.ConvTranspose2d(16, 12, 3, 2, 1, output_padding=1, groups=4)
            self.three = parametrizations.spectral_norm(nn.Conv2d(12, 12, 3, padding="same", dilation=2))
            self.four = nn.ConvTranspose2d(3, 6, (2, 4), (1, 3), dilation=(2, 1), groups=3)
            self.norm = nn.InstanceNorm2d(12, affine=True)

        def forward(self, x):
            x = F.leaky_relu(self.one(F.pixel_unshuffle(x, 2)), 0.2)
            x = F.channel_shuffle(x, 4)
            x = self.norm(self.three(F.celu(self.two(x))))
            return F.interpolate(self.four(F.pixel_shuffle(x, 2)), scale_factor=0.5, mode="bilinear")

    @odd(9, 12)
    class Rotary(nn.Module):
        """Rotary places on normalised queries, shared keys, a gated feed-forward: pre-norm, causal."""

        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.RMSNorm(12) for _ in range(3))
            self.q, self.kv, self.out = nn.Linear(12, 24, bias=False), nn.Linear(12, 12), nn.Linear(24, 12)
            self.gate, self.up, self.down = nn.Linear(12, 20), nn.Linear(12, 20), nn.Linear(20, 12)
            angles = torch.arange(9)[:, None] * 10.0 ** -torch.arange(3)
            self.register_buffer("cos", angles.cos().repeat(1, 2))
            self.register_buffer("sin", angles.sin().repeat_interleave(2, -1))

        def turned(self, x):
            pairs = x.unflatten(-1, (-1, 2))
            other = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
            return x * self.cos.view(9, 2, 3).transpose(1, 2).reshape(9, 6) + other * self.sin

        def forward(self, x):
            y = self.norms[0](x)
            k, v = self.kv(y).chunk(2, -1)
            k, v = k[:, None].expand(-1, 4, -1, -1), v[:, None]
            q = self.turned(F.layer_norm(heads(self.q(y), 4), (6,)))
            y = F.scaled_dot_product_attention(q, self.turned(k), v.expand(-1, 4, -1, -1), is_causal=True, scale=0.3)
            x = x + self.out(y.transpose(1, 2).flatten(2))
            y = self.norms[1](x)
            x = x + self.down(F.gelu(self.gate(y), approximate="tanh") * self.up(y))
            return self.norms[2](x)[:, -1]

    @odd(3, 20, 14)
    class LearnedPooling(nn.Module):
        """Generalised means, attention pooling by learned queries, a spatial pyramid."""

        def __init__(self):
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 16, 3, 2), nn.GroupNorm(4, 16)
            self.p, self.query = nn.Parameter(torch.tensor([2.5])), nn.Parameter(torch.randn(1, 2, 16))
            self.pool, self.head = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16 * 3 + 16 * 5, 7)

        def forward(self, x):
            x = F.softplus(self.norm(self.stem(x)))
            mean = x.clamp(min=1e-6).pow(self.p).mean((-1, -2)).pow(1 / self.p)
            tokens = x.flatten(2).mT
            pooled = self.pool(self.query.expand(len(x), -1, -1), tokens, tokens)[0].flatten(1)
            pyramid = [F.adaptive_avg_pool2d(x, n).flatten(1) for n in (1, 2)]
            return self.head(torch.cat([mean, pooled, *pyramid], 1))

    @odd(11, 8)
    class SeriesMixer(nn.Module):
        """A series normalised by its own mean, mixed along time and channels, gated, dilated, with a moving mean."""

        def __init__(self):
            super().__init__()
            self.time, self.channels = nn.Linear(11, 11), nn.Linear(8, 16)
            self.conv, self.depth = nn.Conv1d(8, 16, 3, dilation=2, padding=2), nn.Conv1d(16, 16, 5, groups=16)
            self.norm, self.head = nn.BatchNorm1d(16), nn.Linear(7 * 16, 4)

        def forward(self, x):
            mean, spread = x.mean(1, keepdim=True), x.std(1, keepdim=True, unbiased=False)
            x = (x - mean) / (spread + 1e-5)
            trend = F.avg_pool1d(x.transpose(1, 2), 5, 1, 2, count_include_pad=False).transpose(1, 2)
            x = trend + self.time(F.hardswish(x - trend).transpose(1, 2)).transpose(1, 2)
            a, gate = self.channels(x).chunk(2, dim=-1)
            y = self.norm(self.conv((a * torch.erf(gate)).transpose(1, 2)))
            return self.head(self.depth(F.glu(torch.cat([y, y.flip(-1)], 1), 1)).flatten(1))

    @odd(3, 12, 12)
    class CrossCovariance(nn.Module):
        """Attention between channels, and one without softmax: keys and values first."""

        def __init__(self):
            super().__init__()
            self.patches, self.qkv, self.out = nn.Conv2d(3, 12, 3, 3), nn.Conv2d(12, 36, 1), nn.Linear(12, 12)
            self.local, self.kernel = nn.Conv2d(12, 12, 3, 1, 1, groups=12, padding_mode="circular"), nn.Linear(12, 36)
            self.temperature, self.head = nn.Parameter(torch.ones(2, 1, 1) * 1.3), nn.Linear(12, 3)

        def forward(self, x):
            x = self.patches(x)
            q, k, v = torch.tensor_split(self.qkv(x).flatten(2).unflatten(1, (6, 6)), 3, 1)
            weights = (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * self.temperature).softmax(-1)
            x = x + self.local((weights @ v).flatten(1, 2).unflatten(-1, (4, 4)))
            q, k, v = self.kernel(x.flatten(2).mT).chunk(3, -1)
            q, k = F.elu(q) + 1, F.elu(k) + 1
            y = torch.einsum("nqc,ncd->nqd", q, torch.einsum("nkc,nkd->ncd", k, v))
            y = y / torch.einsum("nqc,nc->nq", q, k.sum(1)).unsqueeze(-1)
            return self.head(self.out(y).logsumexp(1))

    @odd(12, 4, 4)
    class HeadsAmongImages(nn.Module):
        """Heads lie along the batch while they are pooled and normalised; then a table for each row of the image.

        As in networks that keep room for tokens in front, no token is cut off and joined on again.
        """

        def __init__(self):
            super().__init__()
            self.pool, self.norm = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.LayerNorm(6)
            self.table, self.head = nn.Parameter(torch.randn(4, 5, 6)), nn.Linear(40, 3)

        def forward(self, x):
            N = len(x)
            x = self.pool(x.reshape(N * 2, 6, 4, 4)).permute(0, 2, 3, 1)
            x = self.norm(x.reshape(N * 2, 16, 6)).reshape(N, 2, 4, 4, 6)
            y = torch.einsum("nyhwc,hkc->nyhwk", torch.cat([x[:, :0], x], 1), self.table)
            return self.head((y.softmax(-1) * y).mean(3).transpose(1, 2).flatten(2).amax(1).repeat(1, 4))

    @odd(6, 7, 9)
    class Axial(nn.Module):
        """Attention along rows, then along columns, with the axes moved into the batch; a volume at the end."""

        def __init__(self):
            super().__init__()
            layer = dict(nhead=2, dim_feedforward=10, batch_first=True, dropout=0.0)
            self.rows = nn.TransformerEncoderLayer(6, norm_first=True, activation="gelu", **layer)
            self.columns = nn.TransformerEncoderLayer(6, **layer)
            self.volume, self.up = nn.Conv3d(1, 4, 3, padding=1), nn.ConvTranspose3d(4, 2, 2, 2)

        def forward(self, x):
            N, C, H, W = x.shape
            x = self.rows(x.permute(0, 2, 3, 1).reshape(N * H, W, C)).view(N, H, W, C)
            x = self.columns(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (N, W)).permute(0, 3, 2, 1)
            x = F.max_pool3d(F.silu(self.volume(x.unsqueeze(1))), 2, ceil_mode=True)
            return self.up(x).mean((2, 3, 4))

    @odd(3, 16, 16)
    class Pyramid(nn.Module):
        """Features of several sizes that meet, weighted, in both directions; dilated and strip pools; deep outputs."""

        def __init__(self):
            super().__init__()
            self.stages = nn.ModuleList(nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.SiLU())
                                        for i, o in ((3, 8), (8, 8), (8, 8)))
            self.weights, self.mix = nn.Parameter(torch.tensor([0.5, -0.1, 0.8])), nn.Conv2d(8, 8, 3, 1, 2, 2)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            found = []
            for stage in self.stages:
                x = stage(x)
                found.append(x)
            w = self.weights.relu()
            w = w / (w.sum() + 1e-4)
            size = found[0].shape[-2:]
            x = sum(a * F.interpolate(y, size=size, mode=mode) for a, y, mode in
                    zip(w, found, ("bicubic", "nearest", "bilinear")))
            x = torch.stack([x, self.mix(x)], 0).sum(0)
            strips = x.mean(3, keepdim=True).expand_as(x) + x.mean(2, keepdim=True) + F.max_pool2d(x, 5, 1, 2)
            x = self.mix(F.pad(strips, (1, 0, 1, 0), mode="reflect"))
            return F.interpolate(self.head(x), scale_factor=2, mode="bilinear", align_corners=True)

    @odd(5, 6)
    class Pairs(nn.Module):
        """Each place against each other: products, differences, the larger, what is chosen by a comparison."""

        def __init__(self):
            super().__init__()
            self.dense, self.head = nn.Linear(6, 5), nn.Linear(5, 3)

        def forward(self, x):
            x = self.dense(x)
            a, b = x.unsqueeze(2), x.unsqueeze(1)
            apart = (a - b).pow(2).sum(-1)
            x = torch.einsum("nij,njc->nic", torch.exp(-apart), x)
            x = x + torch.where(a > b, a * b, b).mean(1) + torch.maximum(a, 2 * b).mean(2)
            c = x[..., None] * x[..., None, :]
            return self.head((c.softmax(-1) * (x[..., None] > 0)).sum((1, 2)))

    @odd(5, 6)
    class Distances(nn.Module):
        """How near the rows are to prototypes and to each other, by several measures."""

        def __init__(self):
            super().__init__()
            self.a, self.b, self.pairs = nn.Linear(6, 4), nn.Linear(6, 4), nn.Bilinear(4, 4, 3)
            self.prototypes, self.mixed = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(4, 2))

        def forward(self, x):
            a, b = self.a(x), self.b(x)
            near = F.cosine_similarity(a[:, :, None], self.prototypes, dim=-1) - torch.cdist(a, self.prototypes)
            apart = F.pairwise_distance(a, b)[..., None] * torch.cdist(a, b, p=1).mean(-1, keepdim=True)
            three = torch.einsum("...ic,...jc,cd->...ijd", a, b, self.mixed)
            return torch.cat([near + self.pairs(a, b), apart, torch.einsum("niid->nid", three)], -1).flatten(1)

    @odd(4, 9)
    class Writes(nn.Module):
        """Parts of an array are written over: steps, lists of places, a row twice, a view of a view."""

        def __init__(self):
            super().__init__()
            self.dense = nn.Linear(9, 9)

        def forward(self, x):
            y, z = self.dense(x), torch.zeros_like(x)
            z[:, 2], z[:, -1] = y[:, 0], 3 * y[:, 1]
            y[:, 1:, ::2] -= x[:, :3, 4:]
            y[:, :, [0, 3]] = z[:, :, [2, 2]]
            y.view(len(y), 2, 2, 9)[:, 1].mul_(2)
            y.index_add_(1, torch.tensor([0, 0, 3]), z[:, :3])
            return (y + z).index_fill(2, torch.tensor([5]), 0.5)

    @odd(3, 11, 9)
    class Spellings(nn.Module):
        """What has a plain name in torch and none here: it is said by what has."""

        def forward(self, x):
            y = F.adaptive_max_pool2d(x, (4, 2))
            y = torch.log2(y.abs() + 1) * y.sign() + torch.exp2(y / 4) - torch.erfc(y) + F.softplus(y, 2, threshold=1)
            y = F.softshrink(y, 0.3) + F.threshold(y, 0.2, -1) + torch.fmax(y, y.flip(2)) + torch.logaddexp(y, -y)
            spread = torch.linalg.vector_norm(y, 3, -1) + torch.linalg.vector_norm(y, torch.inf, 3) + y.prod(-1)
            return torch.column_stack([spread.flatten(1), torch.diagonal(y, 1, 1, 2)[:, 0], y.triu().sum((1, 2))])
