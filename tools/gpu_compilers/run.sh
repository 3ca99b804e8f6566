#!/usr/bin/env bash
# Compiles every kernel of a preset with the compilers of GPUs that are not there, and holds them to the bars.
#
#   tools/gpu_compilers/run.sh FOLDER WGVAE [--presets LIST] [--gpus LIST] [--precision f16] [--variant NAME] [--bars FILE|none]
#                              [--results FOLDER]
#
# FOLDER becomes a Debian sid with Mesa's drivers and its no-op shims (1.2 GB, once); WGVAE is a release binary, of which a
# copy runs there. Nothing that a driver compiles is executed. Presets are separated by commas (reference, laptop, demo and
# photo by default), GPUs by blanks (all of gpus.txt by default). Needs root, cc and python3; see make_debian.sh. Exits with 1
# if a kernel is refused or misses a bar, and with 77 if that Debian cannot be made. --results keeps what was found, for
# judge.py compare BEFORE AFTER.
set -eu
[ $# -ge 2 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 program=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
presets=reference,laptop,demo,photo precision=f32 gpus='' variant='' results='' bars=$here/bars.txt
while [ $# -gt 0 ]; do
    case $1 in
    --presets) presets=$2 ;;
    --gpus) gpus=$2 ;;
    --variant) variant=$2 ;;
    --precision) precision=$2 ;;
    --bars) bars=$2 ;;
    --results) results=$2 ;;
    *) echo "gpu_compilers: $1 is not known" >&2 && exit 2 ;;
    esac
    shift 2
done
[ "$bars" != none ] || bars=/dev/null
cannot() {
    printf 'gpu_compilers: %s\n' "$*" >&2
    exit 77
}

"$here/../make_debian.sh" "$folder" sid mesa-vulkan-drivers mesa-drm-shim libvulkan1

# Mesa has no shim for Intel: ours answers for the kernel's driver. It is built against the headers of libdrm.
intel_shim() {
    [ -e "$folder/opt/libintel_shim.so" ] && return 0
    local headers
    headers=$(mktemp -d)
    (cd "$headers" && apt-get -qq download libdrm-dev >/dev/null 2>&1 && dpkg -x libdrm-dev_*.deb .) &&
        mkdir -p "$folder/opt" &&
        cc -O2 -Wall -shared -fPIC -o "$folder/opt/libintel_shim.so" "$here/intel_shim.c" \
            -I"$headers/usr/include/libdrm" -ldl
}

# The files of /sys in which libdrm looks for the device with this PCI id, and its node.
intel_device() {
    local at=$folder/sys/devices/pci0000:00/0000:00:02.0
    mkdir -p "$folder/dev/dri" "$folder/sys/bus/pci" "$folder/sys/dev/char" "$at/drm/renderD128"
    [ -e "$folder/dev/dri/renderD128" ] || mknod -m 666 "$folder/dev/dri/renderD128" c 226 128
    ln -sfn /sys/bus/pci "$at/subsystem"
    ln -sfn /sys/devices/pci0000:00/0000:00:02.0 "$at/drm/renderD128/device"
    ln -sfn /sys/devices/pci0000:00/0000:00:02.0/drm/renderD128 "$folder/sys/dev/char/226:128"
    printf 'DRIVER=i915\nPCI_CLASS=30000\nPCI_ID=8086:%s\nPCI_SUBSYS_ID=8086:2212\nPCI_SLOT_NAME=0000:00:02.0\n' \
        "$1" >"$at/uevent"
    echo 0x8086 | tee "$at/vendor" >"$at/subsystem_vendor"
    echo "0x$1" >"$at/device"
    echo 0x2212 >"$at/subsystem_device"
    echo 0x04 >"$at/revision"
}

# The environment in which Mesa's driver compiles for a GPU, one variable a line, and prints what it made.
environment() {
    local lib=/usr/lib/x86_64-linux-gnu icd=/usr/share/vulkan/icd.d name=${1#*:}
    case $1 in
    amd:*)
        printf '%s\n' "AMDGPU_GPU_ID=$name" "LD_PRELOAD=$lib/libamdgpu_noop_drm_shim.so" \
            "VK_DRIVER_FILES=$icd/radeon_icd.json" RADV_DEBUG=shaderstats,asm
        ;;
    adreno:*)
        printf '%s\n' "FD_GPU_ID=$name" "LD_PRELOAD=$lib/libfreedreno_noop_drm_shim.so" \
            "VK_DRIVER_FILES=$icd/freedreno_icd.json" IR3_SHADER_DEBUG=cs
        ;;
    nvidia:*)
        printf '%s\n' "NOUVEAU_CHIPSET=$name" "LD_PRELOAD=$lib/libnouveau_noop_drm_shim.so" \
            "VK_DRIVER_FILES=$icd/nouveau_icd.json" NAK_DEBUG=print
        ;;
    apple:*)
        printf '%s\n' "LD_PRELOAD=$lib/libasahi_noop_drm_shim.so" "VK_DRIVER_FILES=$icd/asahi_icd.json" \
            AGX_MESA_DEBUG=shaderdb
        ;;
    intel:*)
        intel_shim || cannot "the shim for Intel cannot be built: see above"
        intel_device "${name%%,*}"
        printf '%s\n' "INTEL_SHIM=${name//,/ }" "LD_PRELOAD=/opt/libintel_shim.so" \
            "VK_DRIVER_FILES=$icd/intel_icd.json" INTEL_DEBUG=cs
        ;;
    *) cannot "$1 is no GPU that is known here" ;;
    esac
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install "$program" "$folder/usr/local/bin/wgvae" # another run may be using the one there
mountpoint -q "$folder/proc" || mount --bind /proc "$folder/proc"
[ -n "$gpus" ] || gpus=$(sed 's/#.*//' "$here/gpus.txt" | awk 'NF { print $1 }' | tr '\n' ' ')
for gpu in $gpus; do
    variables=$(environment "$gpu")
    mapfile -t set_ <<<"$variables"
    for preset in ${presets//,/ }; do
        at="$work/${gpu//[:,]/_}.$preset"
        status=0
        # a cached kernel would print nothing
        timeout 600 chroot "$folder" env HOME=/root XDG_RUNTIME_DIR=/tmp NODEVICE_SELECT=1 MESA_SHADER_CACHE_DISABLE=1 \
            "${set_[@]}" wgvae plan --compile --preset "$preset" --precision "$precision" ${variant:+--variant "$variant"} \
            >"$at.plan" 2>"$at.debug" || status=$?
        if [ ! -s "$at.plan" ]; then
            echo "gpu_compilers: $gpu, $preset: nothing was compiled (status $status)" >&2
            tail -n 3 "$at.debug" | cut -c1-200 >&2
            exit 1
        fi
        python3 "$here/judge.py" judge "$gpu" "$preset" "$at.plan" "$at.debug" >"$at.json"
        rm "$at.debug"
    done
done
if [ -n "$results" ]; then
    mkdir -p "$results"
    cp "$work"/*.json "$results"
fi
python3 "$here/judge.py" bars "$bars" "$work"/*.json
