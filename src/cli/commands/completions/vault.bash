# Completes `vault` in bash. From `vault completions bash`.
_vault() {
    local i word reply is_exec= IFS=$' \t\n'
    local -a words=()
    COMPREPLY=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        # Bash splits at `=`; to us `--option=value` is one word.
        if ((${#words[@]} > 1)) && [[ $word == = || ${COMP_WORDS[i - 1]} == = ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        [[ $word == exec ]] && is_exec=1
        # Behind `exec … --` stands another command, with completions of its own.
        if [[ -n $is_exec && $word == -- && i -lt COMP_CWORD ]]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            elif ((COMP_CWORD == i + 1)); then
                while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
            else
                compopt -o default 2>/dev/null
            fi
            return
        fi
    done
    word=${words[${#words[@]} - 1]}
    while IFS= read -r reply; do
        # What stands before the last `=` is on the line already.
        [[ $word == *=* ]] && reply=${reply#"${word%=*}="}
        printf -v reply %q "$reply"
        COMPREPLY+=("$reply")
    done < <("${1/#\~/$HOME}" complete bash -- "${words[@]}" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _vault vault
