"""An equivalent VAE in PyTorch, for comparisons of speed and losses.

    python benches/peers/pytorch_vae.py --bench --size 64 --hidden 64 --latent 128 --batch 16 --steps 20 --threads 2
    python benches/peers/pytorch_vae.py --train FOLDER --size 64 --hidden 32 --latent 64 --batch 16 --epochs 40

--bench prints one line of JSON: images_per_s, seconds, steps, torch, device. The pictures are noise, resident on
the device; three warm-up steps are not counted. --bf16 computes under autocast.
--train prints the loss per epoch in nats per image. FOLDER holds "Training Data" and "Validation Data", or
train and val, with pictures at any depth. Needs torch; --train also needs Pillow and numpy.
"""
import argparse
import json
import pathlib
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn


class Vae(nn.Module):
    """Four strided convolutions, two heads, a linear layer, and four transposed convolutions."""

    def __init__(self, size, hidden, latent):
        super().__init__()
        widths = [3, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        pairs = list(zip(widths, widths[1:]))
        self.encoder = nn.Sequential(*[m for a, b in pairs for m in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())])
        self.side, flat = size // 16, widths[4] * (size // 16) ** 2
        self.fc_mu, self.fc_logvar = nn.Linear(flat, latent), nn.Linear(flat, latent)
        self.decoder_input = nn.Linear(latent, flat)
        up = [m for a, b in reversed(pairs) for m in (nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU())]
        self.decoder = nn.Sequential(*up[:-1])

    def forward(self, x):
        h = self.encoder(x).flatten(1)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        h = self.decoder_input(z).view(len(x), -1, self.side, self.side)
        return self.decoder(h), mu, logvar


def losses(model, x, device, bf16):
    """BCE and KL, summed over the batch, in nats; from logits, which avoids the overflow of the sigmoid."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        logits, mu, logvar = model(x)
    logits, mu, logvar = logits.float(), mu.float(), logvar.float()
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce, kl


def step(model, optimizer, x, device, a):
    """One step of training; returns the loss without waiting for the device."""
    bce, kl = losses(model, x, device, a.bf16)
    loss = bce + a.beta * kl
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def bench(a, device):
    model = Vae(a.size, a.hidden, a.latent).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=a.lr)
    pools = [torch.rand(a.batch, 3, a.size, a.size, device=device) for _ in range(4)]

    def run(steps):
        for i in range(steps):
            step(model, optimizer, pools[i % len(pools)], device, a)
        if device.type == "cuda":
            torch.cuda.synchronize()

    run(3)
    begin = time.perf_counter()
    run(a.steps)
    seconds = time.perf_counter() - begin
    figures = dict(images_per_s=a.batch * a.steps / seconds, seconds=seconds, steps=a.steps, bf16=a.bf16)
    figures["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    print(json.dumps(figures | dict(torch=torch.__version__, device=name)))


def pictures(folder, size):
    """All pictures below a folder as [N, 3, S, S] in 0..1, stretched to a square with Pillow's bilinear filter."""
    import numpy
    from PIL import Image

    suffixes = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("."))
    if not files:
        raise SystemExit(f"{folder}: no pictures")
    square = [Image.open(f).convert("RGB").resize((size, size), Image.Resampling.BILINEAR) for f in files]
    return torch.stack([torch.from_numpy(numpy.asarray(s).copy()).permute(2, 0, 1).float() / 255 for s in square])


def split(root, names):
    """The first existing folder with one of these names."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise SystemExit(f"{root}: has none of the folders {', '.join(names)}")


def train(a, device):
    training = pictures(split(a.train, ["Training Data", "train"]), a.size).to(device)
    held_out = pictures(split(a.train, ["Validation Data", "val"]), a.size).to(device)
    print(f"{len(training)} pictures to train on, {len(held_out)} held out")
    model = Vae(a.size, a.hidden, a.latent).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=a.lr)
    lowest = float("inf")
    for epoch in range(1, a.epochs + 1):
        model.train()
        batches = torch.randperm(len(training), device=device).split(a.batch)
        total = sum(step(model, optimizer, training[batch], device, a) for batch in batches).item()
        model.eval()
        with torch.no_grad():
            sums = [torch.stack(losses(model, x, device, a.bf16)) for x in held_out.split(a.batch)]
        bce, kl = (torch.stack(sums).sum(0) / len(held_out)).tolist()
        lowest = min(lowest, bce + a.beta * kl)
        print(
            f"epoch {epoch}: train {total / len(training):.1f}, validation {bce + a.beta * kl:.1f} "
            f"(bce {bce:.1f}, kl {kl:.1f}) nats per image",
            flush=True,
        )
    print(f"lowest validation loss {lowest:.1f} nats per image")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--bench", action="store_true")
    what.add_argument("--train", type=pathlib.Path, metavar="FOLDER")
    for name, value in dict(size=64, hidden=64, latent=128, batch=16, steps=20, epochs=10, threads=2, seed=0).items():
        p.add_argument(f"--{name}", type=int, default=value)
    p.add_argument("--beta", type=float, default=0.2)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--bf16", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    device = torch.device(a.device)
    if a.bench:
        bench(a, device)
    else:
        train(a, device)


if __name__ == "__main__":
    main()
