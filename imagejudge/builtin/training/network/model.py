"""The embedded model in PyTorch: a ConvNeXt-V2 encoder, a two-layer projector and a small Llama, shaped so that
llama.cpp can load what is trained.

Two things differ from the usual way of writing them, both for speed: in bfloat16, depthwise convolutions are matrix
products with a matrix made of the kernel's taps, and all questions about one image lie in one sequence, kept apart by
an attention mask (a tree: image, instruction, statement).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from imagejudge.builtin.training.shape import BEFORE, IMAGE_TOKENS, Shape


class DepthwiseConv(nn.Module):
    """A depthwise convolution over [B, side*side, C], padded with zeros: in float32 the library's own, which takes a
    third to a fifth of the time there, else one matrix product per channel."""

    def __init__(self, channels: int, kernel: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, kernel * kernel) * 0.5 / kernel)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.kernel = kernel
        self.register_buffer("taps", self._taps(kernel, side), persistent=False)
        self.taps: Tensor

    @staticmethod
    def _taps(kernel: int, side: int) -> Tensor:
        """Which tap joins output place i and input place j: [side*side, side*side], one past the last tap where none
        does."""
        place = torch.arange(side)
        offset = place[None, :] - place[:, None] + kernel // 2  # input minus output
        valid = (offset >= 0) & (offset < kernel)
        row, column = offset.clamp(0, kernel - 1), offset.clamp(0, kernel - 1)
        taps = row[:, None, :, None] * kernel + column[None, :, None, :]
        inside = valid[:, None, :, None] & valid[None, :, None, :]
        return torch.where(inside, taps, kernel * kernel).reshape(side * side, side * side)

    def forward(self, x: Tensor) -> Tensor:
        """[B, places, C] to the same shape."""
        batch, places, channels = x.shape
        if x.dtype == torch.float32:
            side = math.isqrt(places)
            planes = x.view(batch, side, side, channels).permute(0, 3, 1, 2)
            taps = self.weight.view(channels, 1, self.kernel, self.kernel)
            filtered = F.conv2d(planes, taps, self.bias, padding=self.kernel // 2, groups=channels)
            return filtered.permute(0, 2, 3, 1).reshape(x.shape)
        padded = F.pad(self.weight.to(x.dtype), (0, 1))
        matrix = padded.index_select(1, self.taps.reshape(-1)).view(channels, places, places)
        mixed = torch.bmm(matrix, x.permute(2, 1, 0))  # [C, places, B]
        return mixed.permute(2, 1, 0) + self.bias.to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """LayerNorm that computes in the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class Linear(nn.Linear):
    """Linear that computes in the dtype of its input; the weights themselves stay float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply the last axis."""
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class ConvNeXtBlock(nn.Module):
    """One ConvNeXt-V2 block without its response normalisation."""

    def __init__(self, channels: int, kernel: int, side: int) -> None:
        super().__init__()
        self.dw = DepthwiseConv(channels, kernel, side)
        self.ln = LayerNorm(channels, eps=1e-6)
        self.pw1 = Linear(channels, 4 * channels)
        self.pw2 = Linear(4 * channels, channels)
        nn.init.normal_(self.pw2.weight, std=0.2 / math.sqrt(4 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, places, C] to the same shape."""
        return x + self.pw2(F.gelu(self.pw1(self.ln(self.dw(x)))))


class VisionEncoder(nn.Module):
    """Pixels [B, 3, S, S] in -1..1 to a map [B, 64, C] (fewer places for smaller tiles, as in pre-training)."""

    def __init__(self, shape: Shape, size: int | None = None) -> None:
        super().__init__()
        self.patch = shape.patch
        side = (size or shape.image_size) // shape.patch
        self.embed = Linear(3 * shape.patch**2, shape.widths[0])
        self.embed_ln = LayerNorm(shape.widths[0], eps=1e-6)
        self.down_ln = nn.ModuleList(LayerNorm(width, eps=1e-6) for width in shape.widths[:-1])
        self.down = nn.ModuleList(
            Linear(4 * before, after) for before, after in zip(shape.widths[:-1], shape.widths[1:], strict=True)
        )
        stages = []
        for width, count, kernel in zip(shape.widths, shape.blocks, shape.kernels, strict=True):
            stages.append(nn.ModuleList(ConvNeXtBlock(width, kernel, side) for _ in range(count)))
            side //= 2
        self.stages = nn.ModuleList(stages)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels to a map."""
        x = self.embed_ln(self.embed(_patches(pixels, self.patch)))
        for number, stage in enumerate(self.stages):
            if number:
                side = math.isqrt(x.shape[1])
                x = self.down_ln[number - 1](x)
                x = (
                    x.view(x.shape[0], side // 2, 2, side // 2, 2, -1)
                    .permute(0, 1, 3, 5, 2, 4)
                    .reshape(x.shape[0], side * side // 4, -1)
                )
                x = self.down[number - 1](x)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x)
        return x


def _patches(pixels: Tensor, patch: int) -> Tensor:
    """[B, 3, S, S] to [B, (S/p)^2, 3*p*p], in the order a convolution's weight has."""
    batch, channels, size, _ = pixels.shape
    side = size // patch
    return (
        pixels.view(batch, channels, side, patch, side, patch)
        .permute(0, 2, 4, 1, 3, 5)
        .reshape(batch, side * side, channels * patch * patch)
    )


class TileNet(nn.Module):
    """What is on this tile? The pre-training task: the mean of the map, classified."""

    def __init__(self, shape: Shape, concepts: int, size: int) -> None:
        super().__init__()
        self.vision = VisionEncoder(shape, size)
        self.ln = LayerNorm(shape.widths[-1])
        self.head = Linear(shape.widths[-1], concepts)

    def forward(self, pixels: Tensor, concept: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and the share that is right."""
        logits = self.head(self.ln(self.vision(pixels)).float().mean(1))
        loss = F.cross_entropy(logits, concept, label_smoothing=0.05)
        return loss, (logits.argmax(-1) == concept).float().mean()


class SceneNet(nn.Module):
    """What is in every cell of a scene, what touches it, whether two things meet there, how many there are: dense
    labels make the map worth reading before any question is asked."""

    PARTS = ("cell", "touch", "bits", "box", "contact", "whole")  # of the loss
    WEIGHTS = (2.0, 0.4, 0.4, 1.5, 1.0, 0.35)

    BITS = 6  # another of this concept, another of its class, is held, holds, is on, has something on it

    def __init__(self, shape: Shape, concepts: int, kinds: int) -> None:
        super().__init__()
        self.vision = VisionEncoder(shape)
        self.ln = LayerNorm(shape.widths[-1])
        self.sizes = [concepts + 1, kinds, self.BITS, 4, 1]
        self.head = Linear(shape.widths[-1], sum(self.sizes))
        self.pool = Linear(2 * shape.widths[-1], 2 * kinds)
        nn.init.constant_(self.head.bias[concepts + 1 : concepts + 1 + kinds], -4.0)
        nn.init.constant_(self.pool.bias, -4.0)

    def forward(self, pixels: Tensor, targets: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, its parts, and the map [B, 64, C]."""
        features = self.vision(pixels)
        return *self.losses(features, targets), features

    def losses(self, features: Tensor, targets: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the heads make of a map: the loss, and its parts."""
        x = self.ln(features)
        cell, touch, bits, box, contact = self.head(x).float().split(self.sizes, -1)
        whole = self.pool(torch.cat([x.mean(1), x.amax(1)], -1)).float()
        inside = targets["inside"]
        count = inside.sum().clamp_min(1)
        cells = -(targets["cells"] * cell.log_softmax(-1)).sum(-1).mean()
        rare = torch.tensor(3.0, device=x.device)
        touches = F.binary_cross_entropy_with_logits(touch, targets["touch"], reduction="none", pos_weight=rare)
        touches = (touches * targets["touch_known"] * inside[..., None]).sum() / count
        flags = (
            F.binary_cross_entropy_with_logits(bits, targets["bits"], reduction="none") * inside[..., None]
        ).sum() / count
        boxes = ((box - targets["box"]).abs() * inside[..., None]).sum() / count
        meets = F.binary_cross_entropy_with_logits(contact[..., 0], targets["contact"], pos_weight=rare)
        known = targets["whole_known"]
        whole_loss = (
            (F.binary_cross_entropy_with_logits(whole, targets["whole"], reduction="none") * known).sum(-1).mean()
        )
        parts = torch.stack([cells, touches, flags, boxes, meets, whole_loss])
        return parts @ torch.tensor(self.WEIGHTS, device=x.device), parts.detach()


class Attention(nn.Module):
    """Self-attention with rotary positions (the first and second half of a head rotate together, as in the original
    checkpoints of this family)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q, self.k, self.v, self.o = (Linear(shape.width, shape.width, bias=False) for _ in range(4))

    def looks(self, x: Tensor, cos: Tensor, sin: Tensor, place: Tensor) -> Tensor:
        """Logits [M, 64] with which the first head at these places, of all [B*L], looks at the places of its image."""
        length, size = x.shape[1], x.shape[2] // self.heads
        asks = F.linear(x.flatten(0, 1)[place], self.q.weight[:size].to(x.dtype))
        shows = F.linear(x[:, :IMAGE_TOKENS], self.k.weight[:size].to(x.dtype))
        asks = apply_rotary(asks, cos.flatten(0, 2)[place], sin.flatten(0, 2)[place])
        shows = apply_rotary(shows, cos[:, 0, :IMAGE_TOKENS], sin[:, 0, :IMAGE_TOKENS])
        return (shows[place // length] @ asks[..., None])[..., 0].float() / math.sqrt(size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """[B, L, width] to the same shape; the mask says who sees whom."""
        batch, length, width = x.shape
        q, k, v = (layer(x).view(batch, length, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(apply_rotary(q, cos, sin), apply_rotary(k, cos, sin), v, attn_mask=mask)
        return self.o(y.transpose(1, 2).reshape(batch, length, width))  # type: ignore[no-any-return]


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate by the angles of the positions."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class RMSNorm(nn.Module):
    """Root-mean-square normalisation, computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * self.weight.to(x.dtype)


class DecoderLayer(nn.Module):
    """One block of the language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attn_norm, self.ffn_norm = RMSNorm(shape.width), RMSNorm(shape.width)
        self.attn = Attention(shape)
        self.gate, self.up = (
            Linear(shape.width, shape.hidden, bias=False),
            Linear(shape.width, shape.hidden, bias=False),
        )
        self.down = Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """[B, L, width] to the same shape."""
        x = x + self.attn(self.attn_norm(x), cos, sin, mask)
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))  # type: ignore[no-any-return]


class LanguageModel(nn.Module):
    """A small Llama with tied embeddings, and the projector that turns a map into its tokens.

    The map comes in standardised (`mean`, `std` are the map's, per channel); the export folds that into the projector,
    since the file format has no place for it.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, seen = shape.width, shape.widths[-1]
        self.register_buffer("mean", torch.zeros(seen))
        self.register_buffer("std", torch.ones(seen))
        self.mean: Tensor
        self.std: Tensor
        self.position = nn.Parameter(_grid(seen))
        self.mm0, self.mm2 = Linear(seen, 2 * width), Linear(2 * width, width)
        self.embed = nn.Embedding(shape.vocab, width)
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.layers))
        self.looking = range(shape.layers // 4, shape.layers - shape.layers // 4)
        self.norm = RMSNorm(width)
        self.head_dim, self.base = shape.head_dim, shape.rope_base
        nn.init.normal_(self.embed.weight, std=0.05)
        for name, weight in self.layers.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(
                    weight, std=0.06 if name.split(".")[-2] not in ("o", "down") else 0.06 / math.sqrt(2 * shape.layers)
                )
        with torch.no_grad():  # words look for image tokens that look like them
            self.layers[0].attn.k.weight.copy_(self.layers[0].attn.q.weight)  # type: ignore[union-attr, operator]

    def project(self, features: Tensor) -> Tensor:
        """A standardised map [B, 64, C] to embeddings [B, 64, width]."""
        return self.mm2(F.gelu(self.mm0(features + self.position.to(features.dtype))))  # type: ignore[no-any-return]

    def forward(
        self, features: Tensor, tokens: Tensor, positions: Tensor, segments: Tensor, family: Tensor, look_place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states [B, 64 + L, width]: the image's places, made from standardised maps [B, 64, C], then `tokens`
        [B, L] with position and segment numbers. And how the tokens at `look_place` [M], of all [B * (64 + L)], look at
        the image in the layers between the first and the last quarter: logits [layers, M, 64]; and the states that
        these layers leave there [M, width].

        family[b, s, t] says whether segment s sees segment t. Segment 0 is the text before the image: its tokens stand
        after the image in this order but
        have earlier positions, so the image's places see them too; the image itself is segment 1.
        """
        batch = len(tokens)
        image = self.project(features)
        words = F.embedding(tokens, self.embed.weight).to(image.dtype)
        x = torch.cat([image, words], 1)
        before = torch.arange(IMAGE_TOKENS, device=tokens.device) + BEFORE
        places = torch.cat([before.expand(batch, -1), positions], 1)
        owner = torch.cat([torch.ones_like(before).expand(batch, -1), segments], 1)
        seen = torch.gather(
            family.flatten(1), 1, (owner[:, :, None] * family.shape[2] + owner[:, None, :]).flatten(1)
        ).view(batch, owner.shape[1], -1)
        mask = (seen & (places[:, :, None] >= places[:, None, :]))[:, None]
        frequency = self.base ** (-torch.arange(0, self.head_dim, 2, device=tokens.device).float() / self.head_dim)
        angle = places[..., None].float() * frequency
        angle = torch.cat([angle, angle], -1)[:, None]
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        looks = []
        for number, layer in enumerate(self.layers):
            if number in self.looking:
                looks.append(layer.attn.looks(layer.attn_norm(x), cos, sin, look_place))
            x = layer(x, cos, sin, mask)
            if number == self.looking[-1]:
                looked = x.flatten(0, 1)[look_place]
        return self.norm(x), torch.stack(looks), looked


def _grid(width: int) -> Tensor:
    """Sines and cosines of row and column, as strong as the map itself: relations need to know where things are."""
    place = torch.arange(8).float()
    quarter = width // 4
    angle = place[:, None] * torch.exp(-torch.arange(quarter).float() / quarter * math.log(30.0)) * 1.6
    wave = torch.cat([angle.sin(), angle.cos()], -1)
    rows, columns = wave[:, None].expand(8, 8, -1), wave[None].expand(8, 8, -1)
    return torch.cat([rows, columns], -1).reshape(64, width)
