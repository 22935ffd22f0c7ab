//! The layers of the program, as a table; every `use` in `src/` is held against it.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which module may use which. `cli` may use any public item.
const LAYERS: &[(&str, &[&str])] = &[
    ("secret_value", &[]),
    ("clock", &[]),
    ("near", &[]),
    ("signals", &[]),
    ("store", &[]),
    ("provider", &[]),
    // Credentials in variables come as secret values.
    ("config", &["store", "clock", "secret_value"]),
    ("crypto", &["secret_value"]),
    ("identity", &["crypto", "config", "near", "signals", "store", "secret_value", "clock"]),
    ("audit", &["identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("vault", &["identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("rotation", &["vault", "provider", "identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("exec", &["vault", "identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("interchange", &["vault", "identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("team", &["vault", "identity", "crypto", "config", "store", "secret_value", "clock"]),
    ("git", &["vault", "identity", "crypto", "config", "store", "secret_value", "clock"]),
];

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every file below `src`, with its text up to its tests: those of the outermost level.
fn production() -> impl Iterator<Item = (PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    files.into_iter().map(move |file| {
        let text = std::fs::read_to_string(&file).unwrap();
        let production = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
        (file.strip_prefix(&source).unwrap().to_path_buf(), production)
    })
}

/// The modules that a text names as `crate::MODULE`, also in braces after `crate::`.
fn named_modules(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for part in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(list) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(word(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            names.push(word(item.trim()));
        } else {
            names.push(word(part));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn dependencies_point_down_only() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut broken = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "cli" | "main" | "lib") {
            continue;
        }
        let may_use = allowed.get(module).unwrap_or_else(|| panic!("{module} is in no layer: add it to the table"));
        let text = std::fs::read_to_string(&file).unwrap();
        for name in named_modules(&text) {
            let is_module = allowed.contains_key(name.as_str()) || name == "cli";
            if is_module && name != module && !may_use.contains(&name.as_str()) {
                broken.push(format!("{} uses {name}", relative.display()));
            }
        }
    }
    assert!(broken.is_empty(), "against the layers:\n{}", broken.join("\n"));
}

#[test]
fn only_the_ui_prints() {
    for (file, production) in production() {
        for call in ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"] {
            assert!(!production.contains(call), "{} calls {call}", file.display());
        }
    }
}

/// A program that is started in another way could inherit our credentials.
#[test]
fn programs_are_started_in_one_place() {
    let mut starting = Vec::new();
    for (file, production) in production() {
        if production.replace("clap::Command::new(", "").contains("Command::new(") {
            starting.push(file);
        }
    }
    assert_eq!(starting, [Path::new("cli/program.rs")]);
}

/// `==` on bytes ends at the first that differs, and so tells where that is.
#[test]
fn values_are_compared_in_constant_time() {
    for (file, production) in production() {
        let compared = |line: &&str| {
            let left = [".reveal() == ", ".reveal() != ", ".reveal().eq(", ".reveal().cmp("];
            let mut right = [" == ", " != "].iter().flat_map(|by| line.split(by).skip(1));
            left.iter().any(|by| line.contains(by))
                || right.any(|rest| rest.split(' ').next().is_some_and(|word| word.contains(".reveal()")))
        };
        let is_test = file.file_name().unwrap() == "tests.rs";
        let line = production.lines().find(|line| !is_test && compared(line));
        assert_eq!(line, None, "{} compares a value; see `SecretValue::same_as`", file.display());
        if file.ends_with("src/secret_value.rs") {
            assert!(production.contains(".ct_eq("));
            let code = production.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(!code.clone().any(|line| line.contains("PartialEq")), "values have no `==`");
        }
    }
}

#[test]
fn the_table_itself_has_no_cycles() {
    for (position, (module, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            let at = LAYERS.iter().position(|(name, _)| name == used).unwrap();
            assert!(at < position, "{module} uses {used}, which stands above it");
        }
    }
}
