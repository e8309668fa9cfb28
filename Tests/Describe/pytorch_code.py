"""Runs networks that Hybrid wrote as PyTorch code. Run by PyTorchCodeTests.fs; needs torch.

Reads one JSON list: of each network the file of code, its class, the file of weights as `export --to x.pt` writes it,
and the input. Prints, in that order, keys and shapes of a new network, its outputs in evaluation and in training, and
what training has left in its state. With `ckpt`, also the outputs by way of a Lightning module.
"""

import array
import inspect
import json
import keyword
import math
import os
import sys

import torch
from torch import nn

# All that is made is overwritten by a file's weights.
for name in ["kaiming_uniform_", "uniform_"]:
    setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def flat(tensor):
    numbers = tensor.detach().reshape(-1).tolist()
    return [number if math.isfinite(number) else str(number) for number in numbers]


def read(path, shape, dtype):
    numbers = array.array("d")
    with open(path, "rb") as file:
        numbers.frombytes(file.read())
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape).to(dtype)


def code(path):
    names = {"__name__": "network"}
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), names)
    return names


class LightningModule(nn.Module):
    """What pytorch_lightning's class does with a checkpoint of ours, where the package is not there: it makes the
    module with the stored hyperparameters that it takes, and loads `state_dict` strictly."""

    def __init__(self):
        super().__init__()

    @classmethod
    def load_from_checkpoint(cls, path, map_location="cpu"):
        checkpoint = torch.load(path, map_location=map_location)
        # Looked at by Lightning before anything else: files without a version are taken for very old ones.
        major = int(checkpoint["pytorch-lightning_version"].split(".")[0])
        assert major >= 1, checkpoint["pytorch-lightning_version"]
        assert isinstance(checkpoint["epoch"], int) and isinstance(checkpoint["global_step"], int)
        taken = inspect.signature(cls.__init__).parameters
        stored = checkpoint["hyper_parameters"]
        # `kwargs` says that the dictionary is the arguments themselves and not one argument.
        assert checkpoint["hparams_name"] == "kwargs" and isinstance(stored, dict)
        if not any(it.kind is inspect.Parameter.VAR_KEYWORD for it in taken.values()):
            stored = {key: value for key, value in stored.items() if key in taken}
        module = cls(**stored)
        module.load_state_dict(checkpoint["state_dict"], strict=True)
        return module


def by_lightning(request, make):
    class CIFARModule(LightningModule):
        """As the tutorial's: its network is called `model`."""

        def __init__(self, model_name, model_hparams):
            super().__init__()
            self.names = [model_name, model_hparams]
            self.model = make()

        def forward(self, x):
            return self.model(x)

    module = CIFARModule.load_from_checkpoint(request["ckpt"]).eval()
    return module


def answer(request):
    names = code(request["code"])
    dtype = getattr(torch, request["dtype"])
    module = names[request["class"]]().to(dtype)
    result = {
        "keys": [[key, list(tensor.shape)] for key, tensor in module.state_dict().items()],
        "constants": [names.get("CLASSES"), names.get("MEAN"), names.get("STD")],
    }
    if "weights" not in request:
        return result
    module.load_state_dict(torch.load(request["weights"], weights_only=True))
    x = read(request["input"], request["shape"], dtype)
    with torch.no_grad():
        module.eval()
        result["eval"] = flat(module(x))
        if "ckpt" in request:
            lightning = by_lightning(request, names[request["class"]])
            result["lightning"] = flat(lightning(x))
            result["hyper_parameters"] = lightning.names
        module.train()
        result["train"] = flat(module(x))
        result["state"] = [[key, flat(tensor)] for key, tensor in module.state_dict().items()] if request["state"] else []
        module.eval()
        result["again"] = flat(module(x))
    return result


def attempt(request):
    try:
        return answer(request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


before = set(os.listdir("."))
answers = [attempt(request) for request in json.load(sys.stdin)]
own = {name for module in [nn.Module(), nn.Sequential()] for name in dir(module)}
print(
    json.dumps(
        {
            "answers": answers,
            "own": sorted(own),
            "keywords": keyword.kwlist,
            "new_files": sorted(set(os.listdir(".")) - before),
        }
    )
)
