"""Computes the reference values for the metrics in tests/numerics, and prints them.

    pip install scikit-image scipy numpy scikit-learn
    python tools/make_metrics.py [pytorch]

The pictures and tables are defined by formulas, repeated in tests/numerics/formulas.rs. MSE, PSNR and SSIM are
scikit-image's; MS-SSIM is implemented below; the pyramid is the published code of Karras et al. 2018;
mutual information is scikit-learn's. With `pytorch`, MS-SSIM is also compared with
pytorch-msssim's (pip install torch pytorch-msssim; neither scikit is needed then), which takes pictures above
160 pixels.
"""

import sys

import numpy as np
import scipy.ndimage

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
# side, and the modification that gives the second picture
PAIRS = [(16, "noisy"), (48, "faded"), (64, "noisy"), (64, "negative"), (128, "faded"), (176, "noisy"), (192, "faded")]


def uniform(stream: int, index: np.ndarray) -> np.ndarray:
    """Numbers in 0..1 from the hash "lowbias32"."""
    x = (np.asarray(index, np.uint64) + np.uint64(stream * 0x9E3779B9 & 0xFFFFFFFF)) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & 0xFFFFFFFF
    x ^= x >> np.uint64(16)
    return x / 2.0**32


def picture(size: int, seed: int) -> np.ndarray:
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    waves = 0.25 * np.sin(0.37 * x + 0.9 * c + seed) + 0.2 * np.cos(0.23 * y - 0.11 * x + c)
    noise = uniform(seed, np.arange(size * size * 3)).reshape(y.shape)
    return np.clip(0.5 + waves + 0.1 * (noise - 0.5), 0, 1).astype(np.float32)


def second(first: np.ndarray, how: str) -> np.ndarray:
    noise = uniform(77, np.arange(first.size)).reshape(first.shape)
    double = first.astype(np.float64)
    other = {
        "noisy": double + 0.3 * (noise - 0.5),
        "faded": 0.7 * double + 0.1 + 0.05 * noise,
        "negative": 1 - double,
    }[how]
    return np.clip(other, 0, 1).astype(np.float32)


def similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Means of SSIM, and of SSIM without the luminance, of one channel."""

    def local(plane):
        return scipy.ndimage.gaussian_filter(plane, 1.5, truncate=3.5, mode="reflect")[5:-5, 5:-5]

    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
    structure = (2 * cov + 0.03**2) / (va + vb + 0.03**2)
    return (structure * (2 * ma * mb + 0.01**2) / (ma**2 + mb**2 + 0.01**2)).mean(), structure.mean()


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    size = a.shape[0]
    scales = sum(size >> i >= 11 for i in range(5))
    weights = WEIGHTS[:scales] / (1 if scales == 5 else WEIGHTS[:scales].sum())
    channels = []
    for c in range(3):
        x, y, product = a[..., c], b[..., c], 1.0
        for i, weight in enumerate(weights):
            if i > 0:
                x, y = (p.reshape(len(p) // 2, 2, len(p) // 2, 2).mean((1, 3)) for p in (x, y))
            ssim, structure = similarity(x, y)
            product *= max(ssim if i == scales - 1 else structure, 0) ** weight
        channels.append(product)
    return float(np.mean(channels))


def laplacian_pyramid(first: np.ndarray) -> list[np.ndarray]:
    """generate_laplacian_pyramid of sliced_wasserstein.py in tkarras/progressive_growing_of_gans."""
    row = np.array([1, 4, 6, 4, 1])
    kernel = np.outer(row, row)[None, None] / 256.0

    def down(planes):
        return scipy.ndimage.convolve(planes, kernel, mode="mirror")[:, :, ::2, ::2]

    def up(planes):
        n, c, h, w = planes.shape
        spread = np.zeros((n, c, 2 * h, 2 * w))
        spread[:, :, ::2, ::2] = planes
        return scipy.ndimage.convolve(spread, kernel * 4, mode="mirror")

    pyramid = [first.astype(np.float64).transpose(2, 0, 1)[None]]
    while pyramid[-1].shape[-1] // 2 >= 16:
        pyramid.append(down(pyramid[-1]))
        pyramid[-2] = pyramid[-2] - up(pyramid[-1])
    return [level[0] for level in pyramid]


def table() -> tuple[np.ndarray, np.ndarray]:
    """Latents [400, 4], and factors [400, 2]: a continuous one, and a category of three."""
    i = np.arange(400)
    amount, noise = uniform(1, i), [uniform(stream, i) for stream in (3, 4, 5)]
    name = np.floor(3 * uniform(2, i))
    latents = [amount + 0.2 * noise[0], 0.5 * name - amount + 0.4 * noise[1], noise[2] - 0.5, name * name + noise[0]]
    return np.stack(latents, 1), np.stack([amount, name], 1)


def scores() -> None:
    from sklearn.metrics import mutual_info_score

    latents, factors = table()

    def binned(column):
        return np.digitize(column, np.histogram_bin_edges(column, 20)[:-1])

    for name, labels in (("amount", binned(factors[:, 0])), ("name", factors[:, 1])):
        found = sorted((mutual_info_score(labels, binned(latent)) for latent in latents.T), reverse=True)
        print(f"mig {name}: {(found[0] - found[1]) / mutual_info_score(labels, labels):.12f}")
    squares = sorted((np.corrcoef(latent, factors[:, 0])[0, 1] ** 2 for latent in latents.T), reverse=True)
    print(f"sap amount: {squares[0] - squares[1]:.12f}")
    print(f"sap name: {brute_force_sap(latents, factors[:, 1]):.12f}")

    covariance = np.cov(latents.T, bias=True) + np.diag((0.1 + factors[:, :1] * np.arange(1, 5)).mean(0))
    mean = latents.mean(0)
    kl = 0.5 * (np.trace(covariance) + mean @ mean - 4 - np.linalg.slogdet(covariance)[1])
    deviations = np.sqrt(np.diag(covariance))
    print(f"mismatch: {kl:.12f} {abs(mean).max():.12f} {deviations.min():.12f} {deviations.max():.12f}")


def brute_force_sap(latents: np.ndarray, names: np.ndarray) -> float:
    """All pairs of thresholds, with the categories in the order of their means."""
    best = []
    for latent in latents.T:
        order = np.argsort([latent[names == n].mean() for n in range(3)])
        cuts = np.concatenate([[-np.inf], np.sort(latent)])
        below = np.array([[(latent[names == n] <= cut).mean() for cut in cuts] for n in order])
        # recall: the first category below one cut, the second between both, the third above the other
        pairs = below[0][:, None] + (below[1][None, :] - below[1][:, None]) + 1 - below[2][None, :]
        best.append(np.triu(pairs).max() / 3)
    best.sort(reverse=True)
    return best[0] - best[1]


def main() -> None:
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

    print("// side, second picture, MSE, PSNR, SSIM, MS-SSIM")
    for size, how in PAIRS:
        a = picture(size, 1).astype(np.float64)
        b = second(picture(size, 1), how).astype(np.float64)
        options = dict(channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        values = (
            mean_squared_error(a, b),
            peak_signal_noise_ratio(a, b, data_range=1),
            structural_similarity(a, b, **options),
            ms_ssim(a, b),
        )
        print(f'({size}, "{how}", [{", ".join(f"{value:.10f}" for value in values)}]),')
    print("// side, channel, y, x, value; and the level's mean |value|")
    for level in laplacian_pyramid(picture(64, 3)):
        side = level.shape[-1]
        places = [(0, 0, 0), (1, side - 1, side - 1), (2, 5, side - 1), (1, side - 2, 0), (0, 7, 9)]
        print(f"({side}, [{', '.join(f'{level[p]:.9f}' for p in places)}], {abs(level).mean():.9f}),")
    scores()


def pytorch() -> None:
    import torch
    from pytorch_msssim import ms_ssim as reference

    for size, how in PAIRS:
        a, b = picture(size, 1), second(picture(size, 1), how)
        if size > 160:
            x, y = (torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[None] for p in (a, b))
            here = ms_ssim(a.astype(np.float64), b.astype(np.float64))
            print(size, how, float(reference(x, y, data_range=1.0)), here)


if __name__ == "__main__":
    pytorch() if sys.argv[1:] == ["pytorch"] else main()
