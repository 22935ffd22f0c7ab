#compdef vault
# Completes `vault` in zsh. From `vault completions zsh`.
_vault() {
    local i is_exec line value
    local -a typed open closed
    for ((i = 2; i < CURRENT; i++)); do
        [[ ${words[i]} == exec ]] && is_exec=1
        # Behind `exec … --` stands another command, with completions of its own.
        if [[ -n $is_exec && ${words[i]} == -- ]]; then
            shift $i words
            ((CURRENT -= i))
            _normal
            return
        fi
    done
    typed=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
    typed[1]=${~typed[1]}
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        line=${value//:/\\:}:${line#$value}
        line=${line/$'\t'/}
        if [[ $value == *[=/] ]]; then open+=("$line"); else closed+=("$line"); fi
    done < <("${(@)typed[1]}" complete zsh -- "${(@)typed}" 2>/dev/null)
    (($#closed)) && _describe -V vault closed
    (($#open)) && _describe -V vault open -S ''
}
if [[ $funcstack[1] == _vault ]]; then
    _vault "$@"
else
    compdef _vault vault
fi
