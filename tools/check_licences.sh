#!/usr/bin/env bash
# Checks that every dependency, on any platform and for building and testing too, may be used under a licence that
# deny.toml allows: with cargo-deny if it is installed, else by the licences that the crates declare.
#
#   tools/check_licences.sh
#
# Prints the crates without such a licence. Exits with 1 if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo deny --version >/dev/null 2>&1; then
    exec cargo deny --all-features check licenses
fi
allowed=$(sed -n 's/^    "\(.*\)",$/\1/p' deny.toml)
[ -n "$allowed" ] || { echo "no licences in deny.toml" && exit 1; }
crates=$(cargo tree --locked --all-features --target all -e normal,build,dev --prefix none --format '{p}|{l}')

# A declaration such as "(MIT OR Apache-2.0) AND Unicode-3.0": each part between ANDs needs one allowed alternative.
printf '%s\n' "$crates" | sed 's/ (\*)$//' | sort -u | ALLOWED="$allowed" awk -F '|' '
    BEGIN {
        count = split(ENVIRON["ALLOWED"], list, "\n")
        for (i = 1; i <= count; i++) ok[list[i]] = 1
    }
    {
        text = $2
        gsub(/[()]/, "", text)
        gsub(/\//, " OR ", text)
        parts = split(text, all, / AND /)
        bad = parts == 0
        for (i = 1; i <= parts; i++) {
            found = 0
            ways = split(all[i], any, / OR /)
            for (j = 1; j <= ways; j++) if (any[j] in ok) found = 1
            if (!found) bad = 1
        }
        if (bad) { print $1 ": " ($2 == "" ? "declares no licence" : $2); failed = 1 }
        else good++
    }
    END {
        print good " crates have an allowed licence"
        exit failed
    }'
