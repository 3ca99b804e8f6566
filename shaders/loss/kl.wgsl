// KL divergence of N(mu, exp(logvar)) from N(0, 1) per element, in nats, and its gradient:
//   -1/2 (1 + logvar - mu^2 - exp(logvar)); derivative by mu: mu, by logvar: (exp(logvar) - 1) / 2.
// Padding is mu = logvar = 0 and contributes zero to both.
// Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, appendix B.

fn kl_of(mu: vec4<f32>, logvar: vec4<f32>) -> vec4<f32> {
    return 0.5 * (mu * mu + exp(logvar) - 1.0 - logvar);
}

fn kl_by_mu(mu: vec4<f32>) -> vec4<f32> {
    return mu;
}

fn kl_by_logvar(logvar: vec4<f32>) -> vec4<f32> {
    return 0.5 * (exp(logvar) - 1.0);
}
