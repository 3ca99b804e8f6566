"""Checkpoints as Lightning and scripts with an averaged model write them, for the tests of what is found in them.

    python tools/make_checkpoints.py tests/fixtures/checkpoints

Needs torch, lightning and safetensors. Each file has a .safetensors beside it with what the reader must find: the
model by its own names, and Adam's moments as exp_avg.NAME and exp_avg_sq.NAME.
"""
import argparse, collections, datetime, pathlib, sys, tempfile

import lightning, numpy, torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "benches/peers"))
from pytorch_vae import Vae

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(5)
SIZES = dict(size=16, hidden=1, latent=2)
PICTURES = torch.rand(8, 3, SIZES["size"], SIZES["size"])


class Module(lightning.LightningModule):
    """The model between two others, and hyperparameters of many types."""

    def __init__(self):
        super().__init__()
        self.save_hyperparameters({
            "folder": pathlib.PurePosixPath("/data"), "device": torch.device("cpu"), "args": argparse.Namespace(a=[1]),
            "crop": slice(0, 16), "scale": numpy.float64(0.5), "mean": numpy.arange(3.0), "names": {"a", "b"},
        })
        self.metric = nn.Linear(1, 1)
        self.vae = Vae(**SIZES)
        self.loss = nn.Linear(2, 1)

    def training_step(self, batch, _):
        x, mu, logvar = self.vae(batch[0])
        return sum(part.square().mean() for part in (x, mu, logvar)) + self.metric(self.loss(mu)).mean()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=2e-3)
        return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, [100])]


class Save(Callback):
    """Saves after every epoch, because at the end Lightning replaces the model by its average."""

    def __init__(self, path):
        self.path = path

    def on_train_epoch_end(self, trainer, _):
        trainer.save_checkpoint(self.path)


def train(name, callbacks=()):
    module = Module()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(PICTURES), batch_size=4)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(max_epochs=2, logger=False, enable_progress_bar=False, enable_model_summary=False,
                                    accelerator="cpu", default_root_dir=folder, enable_checkpointing=False, callbacks=[*callbacks, Save(OUT / name)])
        trainer.fit(module, data)
    saved = torch.load(OUT / name, weights_only=False)
    weights = saved.get("current_model_state", saved["state_dict"])
    found = {k.removeprefix("vae."): v.clone() for k, v in weights.items() if k.startswith("vae.")}
    kept = saved["optimizer_states"][0]["state"]
    for index, (key, _) in enumerate(module.named_parameters()):
        if key.startswith("vae."):
            for moment in ("exp_avg", "exp_avg_sq"):
                found[f"{moment}.{key.removeprefix('vae.')}"] = kept[index][moment]
    save_file(found, OUT / f"{pathlib.Path(name).stem}.safetensors")


train("lightning.ckpt")
train("lightning_average.ckpt", callbacks=[EMAWeightAveraging()])

# a script's own loop, with an average beside the model
net = Vae(**SIZES)
average = torch.optim.swa_utils.AveragedModel(net)
average.update_parameters(net)
with torch.no_grad():
    for parameter in net.parameters():
        parameter.mul_(1.5)
average.update_parameters(net)
training = {"epoch": numpy.int64(3), "args": argparse.Namespace(lr=0.1), "losses": collections.defaultdict(list, {"val": [numpy.float32(2)]}),
            "date": datetime.date(2024, 5, 6), "best": collections.Counter("ab"), "generator": net.state_dict(), "generator_ema": average.state_dict(),
            "discriminator": nn.Linear(2, 2).state_dict()}
torch.save(training, OUT / "average_beside.bin", _use_new_zipfile_serialization=False)
save_file({k: v.clone() for k, v in net.state_dict().items()}, OUT / "average_beside.safetensors")
torch.save(average.state_dict(), OUT / "average_only.pth", pickle_protocol=4)
save_file({k: v.clone() for k, v in average.module.state_dict().items()}, OUT / "average_only.safetensors")
print(torch.__version__, lightning.__version__, sum(f.stat().st_size for f in OUT.iterdir()), "bytes")
