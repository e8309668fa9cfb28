"""Compares Hybrid's archives with PyTorch's own reading and writing. Run by ArchiveWriterTests.fs; needs torch.

describe FILE...   prints, as one JSON list, what torch.load finds in each file
make FOLDER        writes archives of many kinds and prints what is in them, in the same form
"""

import argparse
import collections
import hashlib
import inspect
import json
import pathlib
import pickle
import sys

import torch


def digest(tensor):
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    raw = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def describe(path, content):
    lightning = "state_dict" in content
    state = content["state_dict"] if lightning else content
    return {
        "file": pathlib.Path(path).name,
        "ordered": isinstance(state, collections.OrderedDict),
        "tensors": [[name, digest(tensor)] for name, tensor in state.items()],
        "hyper_parameters": content.get("hyper_parameters") if lightning else None,
        "epoch": content.get("epoch") if lightning else None,
    }


def load(path):
    plain = torch.load(path, map_location="cpu")
    if "weights_only" in inspect.signature(torch.load).parameters:
        try:
            restricted = torch.load(path, map_location="cpu", weights_only=True)
            assert describe(path, plain) == describe(path, restricted), path
        except pickle.UnpicklingError as error:
            # PyTorch 1.13's restricted reader knows no floats (BINFLOAT, 71); that of 2.x does.
            if not (torch.__version__.startswith("1.") and "operand 71" in str(error)):
                raise
    return plain


def samples():
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(4, 6, generator=generator)
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    kinds += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]
    state = collections.OrderedDict((str(kind), (base * 3).abs().to(kind)) for kind in kinds)
    state["scalar"] = torch.tensor(7)
    state["empty"] = torch.zeros(0, 3)
    state["transposed"] = base.t()
    state["every_other"] = base[:, ::2]
    state["tail"] = base[2:]
    state["expanded"] = base[:1].expand(4, 6)
    state["four_dimensional"] = torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last)
    state["parameter"] = torch.nn.Parameter(base.clone())
    return state


def lightning():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [100, 150])
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "global_step": 40,
        "pytorch-lightning_version": "1.0.2",
        "state_dict": collections.OrderedDict((f"model.{k}", v) for k, v in layer.state_dict().items()),
        "callbacks": {collections.OrderedDict: {"best": torch.tensor(0.5), "path": "x", "seen": {1, 2}}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [schedule.state_dict()],
        "options": argparse.Namespace(a=1, b=b"\x00\xff"),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "size": torch.Size([1, 2]),
        "hyper_parameters": {"name": "net", "sizes": [1, 2], "rate": 0.5, "big": 2**40, "none": None, "yes": True},
    }


def make(folder):
    found = []
    for name, content in [("state", samples()), ("lightning", lightning())]:
        for form, zipped in [("zip", True), ("legacy", False)]:
            for protocol in [2, 3, 4, 5]:
                path = pathlib.Path(folder) / f"{name}-{form}-{protocol}.bin"
                torch.save(
                    content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol
                )
                description = describe(path, content)
                if name == "lightning":
                    prefix = len("model.")
                    description["tensors"] = [[key[prefix:], value] for key, value in description["tensors"]]
                found.append(description)
    return found


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    if action == "describe":
        print(json.dumps([describe(path, load(path)) for path in arguments]))
    else:
        print(json.dumps(make(arguments[0])))
