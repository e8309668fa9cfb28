"""Measures training in PyTorch Lightning as `hybrid bench --against lightning` asks for it, line by line on stdin.

`train S` trains for about S seconds on images that a data loader reads, augments and normalises one by one as
torchvision's transforms do, and answers with images a second, reading included. `infer S` and `memory` are those of
`pytorch_bench.py`. Where Lightning is not installed the same loader feeds a plain loop, and the name says so.
"""

import sys
import time
import warnings

import torch
from PIL import Image
from torch import nn
from torchvision import transforms

import pytorch_bench

try:
    import lightning.pytorch as lightning
except ImportError:
    try:
        import pytorch_lightning as lightning
    except ImportError:
        lightning = None

# As many as keep a fast device waiting for the loader and not for the end of the set.
IMAGES = 20_000

AUGMENT = transforms.Compose(
    [
        transforms.RandomHorizontalFlip(),
        transforms.RandomResizedCrop((32, 32), scale=(0.8, 1.0), ratio=(0.9, 1.1)),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.25] * 3),
    ]
)


class Drawn(torch.utils.data.Dataset):
    """Noise in the form that torchvision holds CIFAR-10 in."""

    def __init__(self):
        self.images = torch.randint(256, (IMAGES, 32, 32, 3), dtype=torch.uint8).numpy()

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        return AUGMENT(Image.fromarray(self.images[index])), index % 10


class Clock:
    """Images a second between the first batch and the last one."""

    def __init__(self, seconds, settle):
        self.seconds, self.settle = seconds, settle
        self.images, self.start = 0, None

    def tick(self, count):
        """Whether the time is up."""
        if self.start is None:
            self.settle()
            self.start = time.perf_counter()
        else:
            self.images += count
        return self.images > 0 and time.perf_counter() - self.start >= self.seconds

    def rate(self):
        self.settle()
        return self.images / (time.perf_counter() - self.start)


def by_hand(network, optimizer, loader, device, clock):
    loss_of = nn.CrossEntropyLoss()
    network.train()
    while True:
        for images, labels in loader:
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            loss_of(network(images), labels).backward()
            optimizer.step()
            if clock.tick(len(labels)):
                return clock.rate()


def by_lightning(network, optimizer, loader, device, clock):
    class Tutorial(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network, self.loss_of = network, nn.CrossEntropyLoss()

        def configure_optimizers(self):
            return optimizer

        def training_step(self, batch, _):
            images, labels = batch
            logits = self.network(images)
            loss = self.loss_of(logits, labels)
            self.log("train_acc", (logits.argmax(dim=-1) == labels).float().mean(), on_step=False, on_epoch=True)
            self.log("train_loss", loss)
            return loss

    class Timed(lightning.Callback):
        answer = None

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if self.answer is None and clock.tick(len(batch[1])):
                self.answer = clock.rate()
                trainer.should_stop = True

    timed = Timed()
    trainer = lightning.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=-1,
        callbacks=[timed],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Tutorial(), loader)
    return timed.answer


def main():
    args = pytorch_bench.arguments()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    device = pytorch_bench.prepare(args)
    network = pytorch_bench.network(args, device)
    optimizer = pytorch_bench.optimizer(args, network)
    loader = torch.utils.data.DataLoader(
        Drawn(),
        batch_size=args.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=4,
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )
    train = by_hand if lightning is None else by_lightning
    name = "plain-loop" if lightning is None else f"Lightning-{lightning.__version__}"
    print(f"{torch.__version__}/{name}", device, flush=True)
    for line in sys.stdin:
        what, seconds = line.split()
        if what == "train":
            clock = Clock(float(seconds), lambda: pytorch_bench.settle(device))
            answer = train(network, optimizer, loader, device, clock)
            network.to(device)
        else:
            answer = pytorch_bench.answer(what, float(seconds), args, network, optimizer, device)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
