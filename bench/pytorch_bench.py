"""Measures a network in PyTorch as `hybrid bench --against pytorch` asks for it, line by line on stdin.

`train S` and `infer S` run for S seconds and answer with images a second, `memory` with the peak of resident memory,
or of what PyTorch took of the GPU's, in MiB. The first line is PyTorch's version and the device. The network comes as the JSON that Hybrid stores networks in.
"""

import argparse
import json
import resource
import sys
import time
import warnings

import torch
from torch import nn


class Fork(nn.Module):
    def __init__(self, join, branches):
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        outs = [branch(x) for branch in self.branches]
        if self.join == "concat":
            return torch.cat(outs, dim=1)
        total = outs[0]
        for out in outs[1:]:
            total = total + out
        return total


PLAIN = {
    "batchnorm2d": nn.LazyBatchNorm2d,
    "adaptiveavgpool2d": lambda: nn.AdaptiveAvgPool2d(1),
    "flatten": nn.Flatten,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


def build(net):
    if isinstance(net, list):
        return nn.Sequential(*map(build, net))
    if isinstance(net, str):
        return PLAIN[net]()
    if "name" in net:
        return build(net["net"])
    (kind, it), = net.items()
    if kind in ("concat", "sum"):
        return Fork(kind, map(build, it))
    if kind == "conv2d":
        return nn.LazyConv2d(it["channels"], it["kernel"], it["stride"], it["padding"], bias=it["bias"])
    if kind == "linear":
        return nn.LazyLinear(it["features"], bias=it["bias"])
    pool = nn.MaxPool2d if kind == "maxpool2d" else nn.AvgPool2d
    return pool(it["kernel"], it["stride"], it["padding"])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True)
    parser.add_argument("--optimizer", choices=["sgd", "adamw"], required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    return parser.parse_args()


def prepare(args):
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    torch.backends.cudnn.allow_tf32 = args.tf32
    return torch.device(args.device)


def network(args, device):
    made = build(json.loads(args.net)).to(device)
    # Lazy modules learn their sizes from a first batch.
    made(torch.randn(2, 3, 32, 32, device=device))
    return made.to(memory_format=torch.channels_last) if args.channels_last else made


def optimizer(args, network):
    if args.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), 1e-6, momentum=0.9, weight_decay=1e-4)
    return torch.optim.AdamW(network.parameters(), 1e-6, weight_decay=1e-4)


def settle(device):
    # A GPU works on while Python goes on: a clock is read when it is done.
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory(device):
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(what, seconds, args, network, optimizer, device):
    if what == "memory":
        return memory(device)
    images = torch.randn(args.batch_size, 3, 32, 32, device=device)
    if args.channels_last:
        images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(args.batch_size, device=device) % 10
    loss_of = nn.CrossEntropyLoss()

    def train():
        network.train()
        optimizer.zero_grad(set_to_none=True)
        loss_of(network(images), labels).backward()
        optimizer.step()

    def infer():
        network.eval()
        with torch.inference_mode():
            network(images)

    work = {"train": train, "infer": infer}[what]
    work()
    settle(device)
    calls, start = 0, time.perf_counter()
    while True:
        work()
        calls += 1
        if time.perf_counter() - start >= seconds:
            settle(device)
            return args.batch_size * calls / (time.perf_counter() - start)


def main():
    args = arguments()
    # Lazy modules announce themselves.
    warnings.simplefilter("ignore")
    device = prepare(args)
    made = network(args, device)
    steps = optimizer(args, made)
    print(torch.__version__, device, flush=True)
    for line in sys.stdin:
        what, seconds = line.split()
        print(answer(what, float(seconds), args, made, steps, device), flush=True)


if __name__ == "__main__":
    main()
