#!/usr/bin/env bash
# Finds phrases that comments and documents of this project avoid; see the section English of CONTRIBUTING.md.
#
#   tools/check_english.sh [PATH..]     without a path: the whole project
#
# Prints every hit, and below the hits of a pattern its reason. Exits with 1 if anything was found.
set -u
cd "$(dirname "$0")/.."
code=(src shaders)
[ $# = 0 ] || code=("$@")
[ $# -gt 0 ] || set -- src shaders web tools tests benches examples fuzz docs README.md CONTRIBUTING.md
paths=("$@")

# Not searched: this file, the lab notebook (unedited entries), fixtures and data.
skip=(':!tools/check_english.sh' ':!docs/lab-notebook' ':!tests/fixtures' ':!*.lock' ':!*.json' ':!*.svg')
found=0

report() {
    [ -z "$2" ] || {
        printf '%s\n  ^ %s\n\n' "$2" "$1"
        found=1
    }
}

# words REASON PATTERN [PATH..]: whole words (extended regular expression), in comments and in Markdown.
words() {
    local reason=$1 word="($2)([^[:alnum:]_-]|\$)"
    shift 2
    [ $# -gt 0 ] || set -- "${paths[@]}"
    report "$reason" "$(
        git --no-pager grep -nIE -e "(^|[[:space:]])(//[/!]?|#)[[:space:]]+(.*[^[:alnum:]_-])?$word" -- "$@" "${skip[@]}" ':!*.md'
        git --no-pager grep -nIE -e "(^|[^[:alnum:]_-])$word" -- "$@" "${skip[@]}" | grep -E '^[^:]*\.md:'
    )"
}

# starts REASON PATTERN: first words of a comment, that is of a block of comment lines or behind code.
starts() {
    report "$1" "$(
        git ls-files -- "${paths[@]}" "${skip[@]}" | grep -E '\.(rs|wgsl|js)$' | xargs awk -v pattern="^($2)([^[:alnum:]_]|\$)" '
            FNR == 1 { before = "" }
            {
                line = $0
                sub(/^[ \t]+/, "", line)
                kind = ""
                if (match(line, /^\/\/[\/!]?/)) kind = substr(line, 1, RLENGTH)
                text = line
                sub(/^\/\/[\/!]?[ \t]*/, "", text)
                first = kind != "" && (kind != before || empty)
                if (kind == "" && match($0, /[;,{})] \/\/ /)) {
                    text = substr($0, RSTART + RLENGTH)
                    first = 1
                }
                if (first && text ~ pattern) print FILENAME ":" FNR ":" $0
                before = kind
                empty = text == ""
            }'
    )"
}

#      reason                                                           pattern
starts 'begin with the noun: "seed of the split", not "of the split"' '[Oo]f|[Ll]ikewise'
starts 'begin with the noun: "path of the file", not "where it lies"' '[Ww]hat|[Ww]here|[Hh]ow|[Ww]hich'
starts 'say what is equal: "the gradient with f16", not "the same ..."' '[Tt]he same'
words 'say what is equal: "the gradient of the other element"' 'the same (of|for another|with another|of other)'
words 'say "alternately" or "one after the other"' 'by turns|in turns?'
words 'say "again" or "from the start"' 'anew'
words 'say "is stored", "is in" or "is between"' 'lie|lies|lay'
words 'say "is in", "are in" or "is"' 'stand|stands|stood'
words 'say "in addition" or "also"' 'besides'
words 'say "are not" with the noun' '(that|which|it|they|and) (is|are|was|were) none'
words 'say "except"' 'but for'
words 'say the number, or "this many"' '(so|as) many'
words 'say who or what' 'whoever|whatever'
words 'say "by" or "through"' 'by way of'
words 'say "if"' 'where (there (is|are)|it (is|has|does) (not|no|none)|nobody|nothing|not)'
words 'measured figures are in docs/, not in code' '[0-9.]+ (times as (fast|slow)|% (faster|slower)|GFLOP/s)' "${code[@]}"

exit "$found"
