#!/usr/bin/env python3
"""The four networks of the UvA tutorial 5 in plain PyTorch, to compare Hybrid's with.

    torch_reference.py < requests.json > answers.json
        runs what is asked for: a list of objects with the keys of DEFAULTS below
    torch_reference.py --sensitivity ResNet [--cifar data_batch_1.bin] [--perturb 2e-16] [--runs 3]
        how far PyTorch's own float64 run of 256 images in 4 epochs moves, step by step, when every initial weight is
        changed by that share of itself (2e-16 is one unit in the last place)

Written against PyTorch 1.13; nothing but PyTorch and Python's own library is used.
"""

import argparse
import hashlib
import json
import sys

import torch
from torch import nn

DEFAULTS = {
    "model": "ResNet",
    "hparams": {},
    "seed": 42,
    "optimizer": "SGD",
    "optimizer_hparams": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    "milestones": [],
    "images": 64,
    "batch_size": 16,
    "epochs": 1,
    "accumulate": 1,
    "clip_norm": None,
    "ema": None,
    "freeze_body": False,
    "dtype": "float64",
    "mean": [0.49139968, 0.48215841, 0.44653091],
    "std": [0.24703223, 0.24348513, 0.26158784],
}

ACTIVATIONS = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "gelu": nn.GELU,
}

# Names that PyTorch's initialisation knows: it has none for GELU, which takes ReLU's.
GAINS = {"tanh": "tanh", "relu": "relu", "leakyrelu": "leaky_relu", "gelu": "relu"}


def head(channels, classes):
    return [nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, classes)]


def draw_convolutions(net, act, mode):
    """Kaiming normal over all convolutions, after PyTorch's own initialisation; the slope counts for one gain only."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.01, mode=mode, nonlinearity=GAINS[act])


class Network(nn.Module):
    def __init__(self, stem, body_name, body, tail):
        super().__init__()
        self.input_net = nn.Sequential(*stem)
        self.add_module(body_name, nn.Sequential(*body))
        self.output_net = nn.Sequential(*tail)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


class Inception(nn.Module):
    def __init__(self, inputs, reduce3, reduce5, one, three, five, pool, act):
        super().__init__()

        def unit(ins, outs, kernel):
            return [nn.Conv2d(ins, outs, kernel, padding=kernel // 2), nn.BatchNorm2d(outs), act()]

        self.conv_1x1 = nn.Sequential(*unit(inputs, one, 1))
        self.conv_3x3 = nn.Sequential(*unit(inputs, reduce3, 1), *unit(reduce3, three, 3))
        self.conv_5x5 = nn.Sequential(*unit(inputs, reduce5, 1), *unit(reduce5, five, 5))
        self.max_pool = nn.Sequential(nn.MaxPool2d(3, padding=1, stride=1), *unit(inputs, pool, 1))
        self.outputs = one + three + five + pool

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def google_net(num_classes=10, act_fn_name="relu"):
    act = ACTIVATIONS[act_fn_name]
    # Reductions, then outputs of the four branches; None halves the map.
    plan = [
        (32, 16, 16, 32, 8, 8),
        (32, 16, 24, 48, 12, 12),
        None,
        (32, 16, 24, 48, 12, 12),
        (32, 16, 16, 48, 16, 16),
        (32, 16, 16, 48, 16, 16),
        (32, 16, 32, 48, 24, 24),
        None,
        (48, 16, 32, 64, 16, 16),
        (48, 16, 32, 64, 16, 16),
    ]
    channels, body = 64, []
    stem = [nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), act()]
    for entry in plan:
        if entry is None:
            body.append(nn.MaxPool2d(3, stride=2, padding=1))
        else:
            body.append(Inception(channels, *entry, act))
            channels = body[-1].outputs
    net = Network(stem, "inception_blocks", body, head(channels, num_classes))
    draw_convolutions(net, act_fn_name, "fan_in")
    return net


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, halve, act):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2 if halve else 1, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            act(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        if halve:
            self.downsample = nn.Conv2d(inputs, outputs, 1, stride=2)
        self.act_fn = act()

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return self.act_fn(self.net(x) + shortcut)


class PreActivationBlock(nn.Module):
    def __init__(self, inputs, outputs, halve, act):
        super().__init__()
        step = 2 if halve else 1
        self.net = nn.Sequential(
            nn.BatchNorm2d(inputs),
            act(),
            nn.Conv2d(inputs, outputs, 3, stride=step, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            act(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        if halve:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), act(), nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
            )

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return self.net(x) + shortcut


def res_net(
    num_classes=10,
    num_blocks=(3, 3, 3),
    c_hidden=(16, 32, 64),
    act_fn_name="relu",
    block_name="ResNetBlock",
):
    act = ACTIVATIONS[act_fn_name]
    channels, body = c_hidden[0], []
    stem = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    if block_name == "ResNetBlock":
        block = ResidualBlock
        stem += [nn.BatchNorm2d(channels), act()]
    else:
        block = PreActivationBlock
    for group, (count, outputs) in enumerate(zip(num_blocks, c_hidden)):
        for place in range(count):
            body.append(block(channels, outputs, group > 0 and place == 0, act))
            channels = outputs
    net = Network(stem, "blocks", body, head(channels, num_classes))
    draw_convolutions(net, act_fn_name, "fan_out")
    return net


class DenseLayer(nn.Module):
    def __init__(self, inputs, bn_size, growth, act):
        super().__init__()
        middle = bn_size * growth
        self.net = nn.Sequential(
            nn.BatchNorm2d(inputs),
            act(),
            nn.Conv2d(inputs, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            act(),
            nn.Conv2d(middle, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat([self.net(x), x], dim=1)


class Part(nn.Module):
    """One named part, so that its name is in the keys."""

    def __init__(self, name, layers):
        super().__init__()
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x):
        return next(self.children())(x)


def dense_net(num_classes=10, num_layers=(6, 6, 6, 6), bn_size=2, growth_rate=16, act_fn_name="relu"):
    act = ACTIVATIONS[act_fn_name]
    channels, body = bn_size * growth_rate, []
    stem = [nn.Conv2d(3, channels, 3, padding=1)]
    for index, count in enumerate(num_layers):
        layers = []
        for _ in range(count):
            layers.append(DenseLayer(channels, bn_size, growth_rate, act))
            channels += growth_rate
        body.append(Part("block", layers))
        if index < len(num_layers) - 1:
            half = channels // 2
            narrower = nn.Conv2d(channels, half, 1, bias=False)
            body.append(Part("transition", [nn.BatchNorm2d(channels), act(), narrower, nn.AvgPool2d(2)]))
            channels = half
    tail = [nn.BatchNorm2d(channels), act(), *head(channels, num_classes)]
    net = Network(stem, "blocks", body, tail)
    draw_convolutions(net, act_fn_name, "fan_in")
    return net


def build(request):
    hparams = dict(request["hparams"])
    model = request["model"]
    torch.manual_seed(request["seed"])
    if model == "GoogleNet":
        return google_net(**hparams)
    if model == "DenseNet":
        return dense_net(**hparams)
    if model == "ResNetPreAct":
        hparams.setdefault("block_name", "PreActResNetBlock")
    return res_net(**hparams)


def hashed_images(count, classes):
    """The images of the tests: bytes that look random and are the same everywhere, labelled by turns."""
    index = torch.arange(count * 3 * 32 * 32, dtype=torch.int64)
    pixels = ((index * 2654435761) & 0xFFFFFFFF) >> 24
    labels = torch.arange(count, dtype=torch.int64) * 7 % classes
    return pixels.view(count, 3, 32, 32), labels


def cifar_images(path, count):
    """The first records of one of CIFAR-10's official binary files."""
    with open(path, "rb") as file:
        records = torch.frombuffer(bytearray(file.read(count * 3073)), dtype=torch.uint8).view(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32).long(), records[:, 0].long()


def batches(request, pixels, labels, dtype):
    def channels(values):
        return torch.tensor(values, dtype=dtype).view(1, 3, 1, 1)

    images = (pixels.to(dtype) / 255 - channels(request["mean"])) / channels(request["std"])
    size = request["batch_size"]
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size)]


def checksum(net):
    digest = hashlib.sha256()
    for key, tensor in net.state_dict().items():
        digest.update(key.encode())
        digest.update(tensor.float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def freeze_body(net):
    """Leaves the last linear layer alone to be trained; gives its parameters."""
    head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    net.requires_grad_(False)
    head.requires_grad_(True)
    return head.parameters()


def moving_average(net, decay):
    def mean(average, now, _):
        return decay * average + (1 - decay) * now

    return torch.optim.swa_utils.AveragedModel(net, avg_fn=mean, use_buffers=True)


def run(request, data=None, perturb=None):
    """Trains; gives the weights' checksum before, every loss, the first gradients' norms and a loss afterwards."""
    request = {**DEFAULTS, **request}
    net = build(request)
    answer = {"init_sha256": checksum(net), "parameters": sum(p.numel() for p in net.parameters())}
    dtype = getattr(torch, request["dtype"])
    net = net.to(dtype)
    if perturb is not None:
        share, seed = perturb
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1 + share * torch.randn(p.shape, generator=noise, dtype=dtype).sign())
    pixels, labels = data or hashed_images(request["images"], request["hparams"].get("num_classes", 10))
    trained = freeze_body(net) if request["freeze_body"] else net.parameters()
    optimizer = getattr(torch.optim, request["optimizer"])(trained, **request["optimizer_hparams"])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, request["milestones"], gamma=0.1)
    average = moving_average(net, request["ema"]) if request["ema"] else None
    losses = []
    for _ in range(request["epochs"]):
        net.train(not request["freeze_body"])
        whole = batches(request, pixels, labels, dtype)
        for first in range(0, len(whole), request["accumulate"]):
            group = whole[first : first + request["accumulate"]]
            optimizer.zero_grad()
            total = 0.0
            for images, targets in group:
                loss = nn.functional.cross_entropy(net(images), targets)
                (loss / len(group)).backward()
                total += loss.item() * len(targets)
            if request["clip_norm"]:
                nn.utils.clip_grad_norm_(net.parameters(), request["clip_norm"])
            if not losses:
                answer["grad_norms"] = {
                    key: 0.0 if p.grad is None else p.grad.norm().item() for key, p in net.named_parameters()
                }
            optimizer.step()
            if average:
                average.update_parameters(net)
            losses.append(total / sum(len(targets) for _, targets in group))
        schedule.step()
    answer["losses"] = losses
    net = average.module if average else net
    net.eval()
    with torch.no_grad():
        images, targets = batches({**request, "batch_size": len(pixels)}, pixels, labels, dtype)[0]
        answer["loss_after"] = nn.functional.cross_entropy(net(images), targets).item()
    return answer


def sensitivity(arguments):
    adam = arguments.sensitivity in ("GoogleNet", "DenseNet")
    request = {
        "model": arguments.sensitivity,
        "optimizer": "AdamW" if adam else "SGD",
        "optimizer_hparams": {"lr": 1e-3, "weight_decay": 1e-4} if adam else DEFAULTS["optimizer_hparams"],
        "milestones": [2, 3],
        "images": 256,
        "batch_size": 32,
        "epochs": 4,
    }
    data = cifar_images(arguments.cifar, 256) if arguments.cifar else None
    exact = run(request, data)["losses"]
    print(f"{arguments.sensitivity}, PyTorch {torch.__version__}, every weight moved by {arguments.perturb:g} of itself")
    print("step  loss      " + "  ".join(f"moved by, run {i + 1}" for i in range(arguments.runs)))
    moved = [run(request, data, (arguments.perturb, seed))["losses"] for seed in range(arguments.runs)]
    for step, loss in enumerate(exact):
        print(f"{step:4d}  {loss:.6f}  " + "  ".join(f"{abs(other[step] - loss):15.1e}" for other in moved))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sensitivity", metavar="MODEL")
    parser.add_argument("--cifar", metavar="FILE")
    parser.add_argument("--perturb", type=float, default=2e-16)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.sensitivity:
        sensitivity(arguments)
    else:
        json.dump([run(request) for request in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
