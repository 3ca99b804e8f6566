"""Writes PyTorch's values of the reference VAE, which tests/golden compares with.

    python tools/make_golden.py OUT [--size 16 --hidden 3 --latent 5 --batch 2 --steps 5 --beta 0.2 --seed 3]
                                    [--then 0] [--grid 0] [--loss bce]

OUT/model.safetensors    the initial parameters under PyTorch's names
OUT/golden.safetensors   float32, NCHW: x, eps.{step}; mu, logvar, z, logits, recon and grad.{name} of step 0;
                         param.{name}.{1 and steps}; loss, bce (the nats of the pixels, whichever the loss), kl of
                         every step, summed over the batch
OUT/meta.json            the arguments
OUT/training.pth         with --then N: a typical training dictionary after --steps; N more steps follow, and their eps,
                         losses and last parameters are in golden.safetensors
--loss gaussian has the width that fits the batch best: n D / 2 (log(2 pi m) + 1) with m the mean squared error, through
which the gradient goes too. With --grid G the spatial model, whose latents are on a grid of G x G cells: mu, logvar, z
and eps are then [N, G * G * C], cell by cell. Needs torch and safetensors. In tests/fixtures golden/small was made with
the defaults, golden/spatial with --grid 4 --latent 4, golden/gaussian with --grid 4 --latent 4 --loss gaussian --steps 2,
continued with --hidden 2 --latent 3 --steps 3 --then 3.
"""
import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn


class Vae(nn.Module):
    def __init__(self, hidden, latent, size):
        super().__init__()
        widths = [3, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        pairs = list(zip(widths, widths[1:]))
        self.encoder = nn.Sequential(*[m for a, b in pairs for m in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())])
        self.side, self.flat = size // 16, widths[4] * (size // 16) ** 2
        self.fc_mu, self.fc_logvar = nn.Linear(self.flat, latent), nn.Linear(self.flat, latent)
        self.decoder_input = nn.Linear(latent, self.flat)
        up = [m for a, b in reversed(pairs) for m in (nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU())]
        self.decoder = nn.Sequential(*up[:-1])

    def forward(self, x, eps):
        h = self.encoder(x).flatten(1)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        z = mu + eps * torch.exp(0.5 * logvar)
        logits = self.decoder(self.decoder_input(z).view(len(x), -1, self.side, self.side))
        return mu, logvar, z, logits


class SpatialVae(nn.Module):
    def __init__(self, hidden, latent, size, grid):
        super().__init__()
        self.shape = (grid, grid, latent)
        widths = [3] + [hidden << i for i in range((size // grid).bit_length() - 1)]
        pairs = list(zip(widths, widths[1:]))
        self.encoder = nn.Sequential(*[m for a, b in pairs for m in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())])
        self.head, self.tail = nn.Conv2d(widths[-1], 2 * latent, 1), nn.Conv2d(latent, widths[-1], 3, padding=1)
        up = [m for a, b in reversed(pairs) for m in (nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU())]
        self.decoder = nn.Sequential(*up[:-1])

    def forward(self, x, eps):
        mu, logvar = (half.permute(0, 2, 3, 1).flatten(1) for half in self.head(self.encoder(x)).chunk(2, dim=1))
        z = mu + eps * torch.exp(0.5 * logvar)
        logits = self.decoder(self.tail(z.view(-1, *self.shape).permute(0, 3, 1, 2)))
        return mu, logvar, z, logits


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", type=pathlib.Path)
    for name, value in dict(size=16, hidden=3, latent=5, batch=2, steps=5, seed=3).items():
        p.add_argument(f"--{name}", type=int, default=value)
    p.add_argument("--beta", type=float, default=0.2)
    p.add_argument("--then", type=int, default=0)
    p.add_argument("--grid", type=int, default=0)
    p.add_argument("--loss", choices=["bce", "gaussian"], default="bce")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(1)
    if a.grid:
        model = SpatialVae(a.hidden, a.latent, a.size, a.grid)
    else:
        model = Vae(a.hidden, a.latent, a.size)
    latents = a.latent * max(a.grid, 1) ** 2

    def copy():  # clones: state_dict returns references that the optimizer continues to modify
        return {k: v.detach().clone().contiguous() for k, v in model.state_dict().items()}

    save_file(copy(), a.out / "model.safetensors")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = F.interpolate(torch.rand(a.batch, 3, 8, 8), size=(a.size, a.size), mode="bicubic").clamp(0, 1)
    out, curve = {"x": x}, {"loss": [], "bce": [], "kl": []}
    for step in range(a.steps + a.then):
        if a.then and step == a.steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}
            torch.save(state, a.out / "training.pth")
        eps = out[f"eps.{step}"] = torch.randn(a.batch, latents)
        optimizer.zero_grad(set_to_none=True)
        mu, logvar, z, logits = model(x, eps)
        recon = torch.sigmoid(logits)
        if a.loss == "bce":
            bce = F.binary_cross_entropy(recon, x, reduction="sum")
        else:
            bce = x.numel() / 2 * (torch.log(2 * math.pi * F.mse_loss(recon, x)) + 1)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        loss = bce + a.beta * kl
        loss.backward()
        if step == 0:
            out |= dict(mu=mu, logvar=logvar, z=z, logits=logits, recon=recon)
            out |= {f"grad.{k}": v.grad.clone() for k, v in model.named_parameters()}
        optimizer.step()
        for key, value in dict(loss=loss, bce=bce, kl=kl).items():
            curve[key].append(value.item())
        if step + 1 in (1, a.steps, a.steps + a.then):
            out |= {f"param.{k}.{step + 1}": v for k, v in copy().items()}
    out |= {k: torch.tensor(v) for k, v in curve.items()}
    save_file({k: v.detach().contiguous() for k, v in out.items()}, a.out / "golden.safetensors")
    meta = {k: v for k, v in vars(a).items() if k != "out"} | {"lr": 1e-3, "torch": torch.__version__}
    (a.out / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")


if __name__ == "__main__":
    main()
