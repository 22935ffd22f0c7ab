# Completes `vault` in fish. From `vault completions fish`.
function __vault_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    # Behind `exec … --` stands another command, with completions of its own.
    if set -l at (contains -i -- -- $words); and contains -- exec $words[1..$at]
        set -l rest
        test $at -lt (count $words); and set rest (string escape -- $words[(math $at + 1)..-1])
        complete -C (string join -- ' ' $rest $word)
        return
    end
    $words[1] complete fish -- $words $word 2>/dev/null
end
complete -c vault -f -k -a '(__vault_complete)'
