"""Checks that a model written by wgvae works in PyTorch: it loads strictly and computes equal results.

    python tools/check_torch.py MODEL.safetensors [--pictures 4 --seed 0]

Loads MODEL with load_state_dict(strict=True), encodes and decodes pictures here and with
`cargo run --release --example exchange`, and compares mu, logvar and the reconstructions.
Needs torch and safetensors; exits with 1 if anything is more than 1e-4 apart.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from make_golden import Vae

BOUND = 1e-4


def likelihood(path):
    """The likelihood that the model was trained with: the name of its --loss."""
    with safe_open(path, "pt") as f:
        return (f.metadata() or {}).get("wgvae.likelihood", "bce").split()[0]


def mean(l, loss):
    """The picture for the decoder's logits."""
    if loss != "continuous-bernoulli":
        return torch.sigmoid(l)
    l = l.double()
    away = torch.where(l.abs() < 1e-3, torch.ones_like(l), l)
    near = 0.5 + l / 12 - l ** 3 / 720
    return torch.where(l.abs() < 1e-3, near, 1 / (1 - torch.exp(-away)) - 1 / away).float()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("--pictures", type=int, default=4)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    state = load_file(a.model)
    hidden = state["encoder.0.weight"].shape[0]
    latent, flat = state["fc_mu.weight"].shape
    size = 16 * round((flat / (8 * hidden)) ** 0.5)
    model = Vae(hidden, latent, size)
    model.load_state_dict(state, strict=True)
    torch.manual_seed(a.seed)
    x = F.interpolate(torch.rand(a.pictures, 3, 8, 8), size=(size, size), mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        mu, logvar, _, logits = model(x, torch.zeros(a.pictures, latent))
        recon = mean(logits, likelihood(a.model))
    root = pathlib.Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        given, got = (f"{folder}/{name}.safetensors" for name in ("given", "got"))
        save_file({"x": x.permute(0, 2, 3, 1).contiguous()}, given)
        command = ["cargo", "run", "--release", "--quiet", "--example", "exchange", "--"]
        subprocess.run([*command, a.model.resolve(), given, got], cwd=root, check=True)
        ours = load_file(got)
    wrong = 0
    for name, theirs in [("mu", mu), ("logvar", logvar), ("recon", recon.permute(0, 2, 3, 1))]:
        apart = (ours[name] - theirs).abs().max().item()
        wrong += apart > BOUND
        print(f"{name}: at most {apart:.1e} apart")
    print(f"{size} px, hidden {hidden}, latent {latent}: {'DIFFERS' if wrong else 'the same model'}")
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
