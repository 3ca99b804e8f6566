"""Writes PyTorch's values of a flow, which tests/golden compares with.

    python tools/make_golden_flow.py OUT [--edge 4 --channels 4 --width 8 --blocks 1 --classes 3 --batch 3 --steps 10
                                          --seed 3]

OUT/flow.safetensors    the initial parameters under PyTorch's names
OUT/golden.safetensors  float32, latents as [N, edge * edge * channels], cell by cell: x.{step}, target.{step}, t.{step},
                        labels.{step} (float; classes is "no class"); velocity and grad.{name} of step 0; param.{name}.{1
                        and steps} and average.{name}.{steps}; loss.{step}, the sum over the batch; noise and sample, the
                        result of 4 steps of Heun's method with guidance 2 for class 1 under the initial parameters
OUT/meta.json           the arguments
Needs torch and safetensors. tests/fixtures/golden_flow/grid was made with the defaults, .../vector with --edge 1
--channels 5 --blocks 2 --classes 0. The class `Flow` loads the flow.safetensors of a run, but for standard.mean and
standard.std.
"""
import argparse
import copy
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

FREQUENCIES = 16


class Norm(nn.Module):
    """SiLU of the root mean square norm over channels, with scale and shift."""

    def __init__(self, channels):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return modulated(x, self.scale[:, None, None], self.shift[:, None, None])


def modulated(x, scale, shift):
    return F.silu(x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * (1 + scale) + shift)


class Block(nn.Module):
    def __init__(self, channels, condition, kernel):
        super().__init__()
        self.norm = Norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.scale_shift = nn.Linear(condition, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, x, condition):
        scale, shift = self.scale_shift(condition)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv2(modulated(self.conv1(self.norm(x)), scale, shift))


class Flow(nn.Module):
    def __init__(self, edge, channels, width, blocks, classes):
        super().__init__()
        kernel, condition = 3 if edge > 1 else 1, 2 * width
        self.shape, self.classes = (edge, edge, channels), classes
        place = lambda width: nn.ModuleList(Block(width, condition, kernel) for _ in range(blocks))
        self.time = nn.Linear(2 * FREQUENCIES + classes + -classes % 4, condition)
        self.input = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
        self.before = place(width)
        if edge >= 4 and edge % 2 == 0:
            self.down = nn.Conv2d(width, 2 * width, 4, 2, 1)
            self.middle = place(2 * width)
            self.up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.after = place(width)
        self.norm = Norm(width)
        self.output = nn.Conv2d(width, channels, kernel, padding=kernel // 2)

    def features(self, t, labels):
        turns = t[:, None] * 2.0 ** (torch.arange(FREQUENCIES) / 2 - 2)
        classes = torch.zeros(len(t), self.classes + -self.classes % 4)
        for row, label in zip(classes, labels):
            if label < self.classes:
                row[int(label)] = 1
        return torch.cat([torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns), classes], dim=1)

    def forward(self, x, t, labels):
        condition = F.silu(self.time(self.features(t, labels)))
        h = self.input(x.view(-1, *self.shape).permute(0, 3, 1, 2))
        for block in self.before:
            h = block(h, condition)
        if hasattr(self, "down"):
            low = self.down(h)
            for block in self.middle:
                low = block(low, condition)
            h = h + self.up(low)
        for block in self.after:
            h = block(h, condition)
        return self.output(self.norm(h)).permute(0, 2, 3, 1).flatten(1)


def heun(flow, noise, label, steps, guidance):
    def velocity(x, t):
        with_class, without = (flow(x, torch.full((len(x),), t), [at] * len(x)) for at in (label, flow.classes))
        return without + guidance * (with_class - without)

    x, dt = noise, 1 / steps
    with torch.no_grad():
        for step in range(steps):
            first = velocity(x, step * dt)
            x = x + dt / 2 * (first + velocity(x + dt * first, (step + 1) * dt))
    return x


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", type=pathlib.Path)
    for name, value in dict(edge=4, channels=4, width=8, blocks=1, classes=3, batch=3, steps=10, seed=3).items():
        p.add_argument(f"--{name}", type=int, default=value)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(1)
    flow = Flow(a.edge, a.channels, a.width, a.blocks, a.classes)
    with torch.no_grad():  # no layer starts at zero, so that every gradient shows
        for value in flow.parameters():
            value.add_(0.1 * torch.randn_like(value))
    values = dict(flow.named_parameters())
    save_file({name: value.detach().contiguous() for name, value in values.items()}, a.out / "flow.safetensors")
    average = {name: value.detach().clone() for name, value in values.items()}
    z = a.edge * a.edge * a.channels
    golden = {"noise": torch.randn(a.batch, z)}
    golden["sample"] = heun(copy.deepcopy(flow), golden["noise"], min(1, a.classes), 4, 2.0)
    adam = torch.optim.AdamW(flow.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.05)
    for step in range(a.steps):
        x, target, t = torch.randn(a.batch, z), torch.randn(a.batch, z), torch.rand(a.batch)
        labels = torch.randint(0, a.classes + 1, (a.batch,)).float()
        velocity = flow(x, t, labels)
        loss = (velocity - target).square().mean(1).sum()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        golden |= {f"x.{step}": x, f"target.{step}": target, f"t.{step}": t, f"labels.{step}": labels}
        golden[f"loss.{step}"] = loss.detach().reshape(1)
        if step == 0:
            golden["velocity"] = velocity.detach()
            golden |= {f"grad.{name}": value.grad.clone() for name, value in values.items()}
        for value in values.values():  # the program takes the mean over the batch
            value.grad /= a.batch
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        adam.step()
        weight = max(0.001, 9 / (10 + step))
        for name, value in values.items():
            average[name] += weight * (value.detach() - average[name])
        if step + 1 in (1, a.steps):
            golden |= {f"param.{name}.{step + 1}": value.detach().clone() for name, value in values.items()}
    golden |= {f"average.{name}.{a.steps}": value for name, value in average.items()}
    save_file({name: value.contiguous() for name, value in golden.items()}, a.out / "golden.safetensors")
    meta = {name: value for name, value in vars(a).items() if name != "out"}
    (a.out / "meta.json").write_text(json.dumps(meta) + "\n")


if __name__ == "__main__":
    main()
