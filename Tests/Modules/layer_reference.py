#!/usr/bin/env python3
"""Single layers in plain PyTorch, to compare Hybrid's with: prints each one's keys, first weights, output and gradients.

Written against PyTorch 1.13; nothing but PyTorch and Python's own library is used.
"""

import json

import torch
from torch import nn


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    def __init__(self, channels, initial):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.ones(channels, 1, 1) * initial)

    def forward(self, x):
        return self.layer_scale * x


class StochasticDepth(nn.Module):
    """Whole examples at a time."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training:
            return x
        kept = 1.0 - self.rate
        noise = torch.empty([x.shape[0]] + [1] * (x.dim() - 1), dtype=x.dtype).bernoulli_(kept)
        return x * noise.div_(kept)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        scale = torch.relu(self.fc1(self.avgpool(x)))
        return torch.sigmoid(self.fc2(scale)) * x


class MarginConv(nn.Conv2d):
    """A convolution with rows and columns of zeros on each of four sides."""

    def __init__(self, *arguments, margins, **named):
        super().__init__(*arguments, **named)
        self.margins = margins

    def forward(self, x):
        top, bottom, left, right = self.margins
        return super().forward(nn.functional.pad(x, [left, right, top, bottom]))


class PixelLinear(nn.Linear):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


LAYERS = {
    "four sides": lambda: MarginConv(4, 5, 3, stride=2, margins=(0, 2, 3, 1)),
    # On 9×8: as many as there are rows and columns of stride 2, the odd one below and on the right.
    "same": lambda: MarginConv(4, 4, 3, stride=2, groups=4, bias=False, margins=(1, 1, 0, 1)),
    "PixelLinear": lambda: PixelLinear(4, 6),
    "BatchNorm2d with settings": lambda: nn.BatchNorm2d(4, eps=1e-3, momentum=0.01),
    "groups": lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "each channel for itself": lambda: nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False),
    "sides and dilation": lambda: nn.Conv2d(4, 5, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 1)),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "LayerNorm2d": lambda: LayerNorm2d(4, eps=1e-6),
    "LayerScale": lambda: LayerScale(4, 1e-6),
    "Dropout": lambda: nn.Dropout(0.3),
    "StochasticDepth": lambda: StochasticDepth(0.4),
    "SiLU": nn.SiLU,
    "Sigmoid": nn.Sigmoid,
    "Hardswish": nn.Hardswish,
    "Hardsigmoid": nn.Hardsigmoid,
    "ReLU6": nn.ReLU6,
    "MaxPool2d with ceiling": lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "AvgPool2d with ceiling": lambda: nn.AvgPool2d(3, 2, 0, ceil_mode=True),
    "squeeze and excitation": lambda: SqueezeExcitation(4, 2),
}


def numbers(tensor):
    return tensor.detach().flatten().tolist()


answers = {}
for name, make in LAYERS.items():
    torch.manual_seed(5)
    layer = make().double()
    generator = torch.Generator().manual_seed(7)
    x = (3 * torch.randn(3, 4, 9, 8, dtype=torch.float64, generator=generator)).requires_grad_()
    torch.manual_seed(11)
    out = layer(x)
    direction = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    (out * direction).sum().backward()
    answers[name] = {
        "keys": list(layer.state_dict()),
        "weights": {key: numbers(value) for key, value in layer.named_parameters()},
        "shape": list(out.shape),
        "out": numbers(out),
        "dx": numbers(x.grad),
        "gradients": {key: numbers(value.grad) for key, value in layer.named_parameters()},
    }
print(json.dumps(answers))
