//! What a clone is told about vault files: git-config(1) and gitattributes(5).

use std::path::PathBuf;

/// The settings of a clone, as names and values for `git config`.
///
/// `program` is the path of this program. Git hands `merge.*.driver` and
/// `diff.*.textconv` to a shell, and replaces `%` in the former.
#[must_use]
pub fn settings(program: &str) -> [(&'static str, String); 4] {
    let command = quote(program);
    [
        ("merge.vault.name", "vault files, secret by secret".to_owned()),
        ("merge.vault.driver", format!("{} git merge %O %A %B %P", command.replace('%', "%%"))),
        // Ancestors that git makes up of several are never anybody's vault: the oldest stands.
        ("merge.vault.recursive", "binary".to_owned()),
        ("diff.vault.textconv", format!("{command} git diff")),
    ]
}

/// The program that a merge driver of [`settings`] has git run; `None` if it has another form.
#[must_use]
pub fn program_of(driver: &str) -> Option<PathBuf> {
    let (program, _) = driver.strip_prefix('\'')?.split_once("' git ")?;
    Some(program.replace("'\\''", "'").replace("%%", "%").into())
}

/// A word for a POSIX shell, whatever is in it.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The line of `.gitattributes` for a vault file of this name.
#[must_use]
pub fn attributes_line(name: &str) -> String {
    format!("{} {}", pattern(name), ATTRIBUTES.join(" "))
}

/// Converted line endings would break the signatures; merging and diffs need the drivers.
const ATTRIBUTES: [&str; 3] = ["-text", "merge=vault", "diff=vault"];

/// True if a `.gitattributes` gives a vault file of this name all it needs, on one line.
#[must_use]
pub fn has_attributes(text: &[u8], name: &str) -> bool {
    let (text, pattern) = (String::from_utf8_lossy(text), pattern(name));
    text.lines().any(|line| {
        let given = line.strip_prefix(pattern.as_str()).filter(|rest| rest.starts_with([' ', '\t']));
        given.is_some_and(|given| ATTRIBUTES.iter().all(|wanted| given.split_whitespace().any(|word| word == *wanted)))
    })
}

/// A name as a pattern that matches it alone: quoted where it has spaces, with the
/// letters escaped that mean something in a pattern.
fn pattern(name: &str) -> String {
    let mut escaped = String::new();
    for (n, c) in name.chars().enumerate() {
        if matches!(c, '*' | '?' | '[' | '\\') || (n == 0 && matches!(c, '#' | '!')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    if escaped.contains([' ', '\t', '"']) {
        format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_to_the_shell_and_carry_no_placeholder() {
        let [_, (_, driver), _, (_, textconv)] = settings("/opt/my tools/va'ult%A");
        assert_eq!(driver, "'/opt/my tools/va'\\''ult%%A' git merge %O %A %B %P");
        assert_eq!(textconv, "'/opt/my tools/va'\\''ult%A' git diff");
        assert_eq!(program_of(&driver), Some("/opt/my tools/va'ult%A".into()));
        assert_eq!(program_of("other %A"), None);
    }

    #[test]
    fn attributes_are_found_only_when_complete_and_for_this_file() {
        let line = attributes_line("vault.toml");
        assert_eq!(line, "vault.toml -text merge=vault diff=vault");
        assert_eq!(attributes_line("my [1].toml"), "\"my \\\\[1].toml\" -text merge=vault diff=vault");
        for (text, has) in [
            (line.as_str(), true),
            ("vault.toml  diff=vault merge=vault -text eol=lf", true),
            ("vault.toml -text", false),
            ("vault.toml.bak -text merge=vault diff=vault", false),
            ("", false),
        ] {
            assert_eq!(has_attributes(text.as_bytes(), "vault.toml"), has, "{text}");
        }
    }
}
