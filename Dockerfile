# wgvae with Mesa's Vulkan drivers: Intel's and AMD's GPUs, and a software adapter where there is no GPU.
#
#   docker build -t wgvae .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/data" -v "$HOME/Pictures:/pictures:ro" \
#       --device /dev/dri wgvae train /pictures --preset laptop
#
# Runs and samples are in /data. For NVIDIA's GPUs, with the NVIDIA Container Toolkit: --gpus all in place of --device.
FROM rust:1.95-slim-trixie AS build
WORKDIR /source
COPY . .
RUN CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked

FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/target/release/wgvae /usr/local/bin/wgvae
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/wgvae/
# /data may belong to any user; decoded pictures and compiled kernels stay with the container
RUN useradd --create-home wgvae && install -d -m 1777 /data /pictures /cache
# NVIDIA's toolkit adds its Vulkan driver for `graphics`
ENV WGVAE_CACHE_DIR=/cache NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility
USER wgvae
WORKDIR /data
VOLUME ["/data", "/pictures"]
ENTRYPOINT ["wgvae"]
CMD ["--help"]
