#!/usr/bin/env bash
# Gives what naga makes of the presets' kernels to compilers and validators of others: Microsoft's DXC, and the spirv-val of two Debians.
#
#   tools/check_translations.sh FOLDER
#
# FOLDER gets both Debians (0.6 GB) and DXC. Needs root, python3 with pip, and debootstrap (tools/make_debian.sh). Exits with 1 if
# DXC refuses a kernel, or spirv-val says something that is not known, and with 77 if one of them cannot be had.
set -eu
[ $# = 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cannot() {
    printf 'check_translations: %s\n' "$*" >&2
    exit 77
}

# the only package of a registry with DXC for Linux; its version is that of May 2024
package=compushady==0.17.5 digest=5052caf9e955d8e7a48e22f536e82b44b72e83af46e824a9e99157c7809de691
dxc=$folder/compushady-0.17.5/compushady/backends/libdxcompiler_x86_64.so.3.7
if [ ! -e "$dxc" ]; then
    python3 -m pip -q download --no-deps --no-binary :all: "$package" -d "$folder" || cannot "pip gives no $package"
    echo "$digest  $folder/compushady-0.17.5.tar.gz" | sha256sum -c --quiet || cannot "$package is not the file that is known"
    tar -xzf "$folder/compushady-0.17.5.tar.gz" -C "$folder" "${dxc#"$folder"/}"
fi
for suite in sid trixie; do
    "$here/make_debian.sh" "$folder/$suite" "$suite" spirv-tools
done

kernels=$folder/kernels
rm -rf "$kernels" && mkdir "$kernels"
(cd "$here/.." && WGVAE_TRANSLATIONS=$kernels cargo test --quiet --test contracts translates_to) >"$folder/test.log" 2>&1 ||
    { tail -n 20 "$folder/test.log" >&2 && exit 1; }

status=0
python3 "$here/check_dxc.py" "$dxc" "$kernels"/*.hlsl || status=1

# what is known: naga puts ArrayStride on arrays in workgroup and private memory, which newer validators refuse
# (VUID-StandaloneSpirv-None-10684) and drivers take
for suite in sid trixie; do
    rm -rf "$folder/$suite/kernels"
    mkdir "$folder/$suite/kernels"
    cp "$kernels"/*.spv "$folder/$suite/kernels"
    version=$(chroot "$folder/$suite" spirv-val --version | head -n 1)
    for file in "$folder/$suite/kernels"/*.spv; do
        said=$(chroot "$folder/$suite" spirv-val --target-env vulkan1.3 "/kernels/${file##*/}" 2>&1) && echo valid && continue
        printf '%s\n' "$said" | grep -o 'VUID-[A-Za-z0-9-]*' | head -n 1 || printf '%s: %s\n' "${file##*/}" "$said" | head -n 1
    done | sort | uniq -c >"$folder/$suite.said"
    echo "spirv-val of $suite ($version):"
    cat "$folder/$suite.said"
    if grep -v -e ' valid$' -e ' VUID-StandaloneSpirv-None-10684$' "$folder/$suite.said"; then
        echo "check_translations: spirv-val of $suite says what is not known" >&2
        status=1
    fi
done
exit $status
