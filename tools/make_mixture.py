"""Writes scikit-learn's values for mixtures of Gaussians, for the tests in src/prior/tests/golden.rs.

    python tools/make_mixture.py [tests/fixtures/mixture.json]

rows, dims               data, float32 values
ml                       mean, covariance: one Gaussian by maximum likelihood (GaussianMixture, no regularisation)
ledoit_wolf              covariance, shrinkage (sklearn.covariance.ledoit_wolf)
responsibilities         [N][3], fixed
step                     weights, means, covariances of one maximisation step from them
densities, mean_density  log densities of the rows under that mixture
posterior                its responsibilities
later                    weights, means, covariances after five iterations of EM from that mixture
principal                mean, eigenvalues (largest first) and eigenvectors (rows) of that mixture's covariance
Without an argument it prints them. Needs numpy and scikit-learn; the fixture was made with scikit-learn 1.9.1.
"""
import json
import sys
import warnings

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture
from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky, _estimate_gaussian_parameters

warnings.simplefilter("ignore")  # five iterations need not converge
N, D, K = 40, 3, 3
rng = np.random.default_rng(5)
X = rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=(K, D))[np.arange(N) % K] * 2
X = X.astype(np.float32).astype(np.float64)

ml = GaussianMixture(1, reg_covar=0).fit(X)
shrunk, shrinkage = ledoit_wolf(X)
resp = rng.dirichlet([0.5] * K, size=N)
counts, means, covariances = _estimate_gaussian_parameters(X, resp, 0, "full")
weights = counts / N


def mixture(iterations):
    precisions = np.linalg.inv(covariances)
    return GaussianMixture(K, reg_covar=0, tol=0, max_iter=iterations, weights_init=weights, means_init=means,
                           precisions_init=precisions)


fixed = mixture(1)
fixed.weights_, fixed.means_, fixed.covariances_ = weights, means, covariances
fixed.precisions_cholesky_ = _compute_precision_cholesky(covariances, "full")
later = mixture(5).fit(X)
assert later.n_iter_ == 5
centre = weights @ means
whole = np.einsum("k,kij->ij", weights, covariances) + (means - centre).T @ np.diag(weights) @ (means - centre)
values, vectors = np.linalg.eigh(whole)
vectors = vectors.T[::-1]
vectors *= np.sign(vectors[np.arange(D), np.abs(vectors).argmax(1)])[:, None]


def moments(weights, means, covariances):
    return {"weights": weights.tolist(), "means": means.tolist(), "covariances": covariances.tolist()}


text = json.dumps({
    "dims": D,
    "rows": X.ravel().tolist(),
    "ml": moments(ml.weights_, ml.means_, ml.covariances_),
    "ledoit_wolf": {"covariance": shrunk.tolist(), "shrinkage": shrinkage},
    "responsibilities": resp.ravel().tolist(),
    "step": moments(weights, means, covariances),
    "densities": fixed.score_samples(X).tolist(),
    "mean_density": float(fixed.score(X)),
    "posterior": fixed.predict_proba(X).ravel().tolist(),
    "later": moments(later.weights_, later.means_, later.covariances_),
    "principal": {"mean": centre.tolist(), "values": values[::-1].tolist(), "vectors": vectors.tolist()},
})
if len(sys.argv) > 1:
    with open(sys.argv[1], "w") as file:
        file.write(text + "\n")
else:
    print(text)
