//! The documents against the program: transcripts are run, references are generated
//! again, links lead somewhere. `UPDATE=1 cargo test --test docs` rewrites what can
//! be generated.
//!
//! Every ```` ```console ```` block of a document is run, all blocks of one document in
//! one fresh world and on a terminal. `<!-- $ command -->` is run and not shown;
//! `bob$ ` and `new$ ` are other machines. `<!-- needs: programs -->` on the first
//! line names what is not on every machine; `scripts/test.sh` installs it.
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files, and run other programs")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const VAULT: &str = env!("CARGO_BIN_EXE_vault");
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// Who else a transcript may show, by prompt: `bob$ `.
const OTHERS: [&str; 2] = ["bob", "new"];

/// Gives a command a terminal for a minute at most, and ends as the command did.
const TERMINAL: &str = "import os, pty, signal, sys; signal.alarm(60); \
                        sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// A machine of its own: home, project, and nothing of the caller's environment.
struct World {
    _root: tempfile::TempDir,
    root: PathBuf,
    status: i32,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("home/alice/shop")).unwrap();
        for other in OTHERS {
            fs::create_dir_all(root.join("home").join(other)).unwrap();
        }
        fs::create_dir(root.join("bin")).unwrap();
        std::os::unix::fs::symlink(VAULT, root.join("bin/vault")).unwrap();
        // Where the caller's `python3` is a wrapper, it needs the caller's home.
        let script = "import sys; print(sys.executable)";
        let python = Command::new("python3").args(["-c", script]).output().expect("python3");
        let python = String::from_utf8(python.stdout).unwrap();
        std::os::unix::fs::symlink(python.trim_end(), root.join("bin/python3")).unwrap();
        let mut world = Self { _root: dir, root, status: 0 };
        world.run("git init -q . && printf '/.env\n' > .git/info/exclude");
        assert_eq!(world.status, 0, "git");
        world
    }

    fn run(&mut self, command: &str) -> String {
        self.run_as("alice", command)
    }

    fn path(&self, below: &str) -> String {
        self.root.join(below).to_str().unwrap().to_owned()
    }

    /// Runs a shell command on a terminal, in somebody's project; gives what it shows.
    fn run_as(&mut self, who: &str, command: &str) -> String {
        let home = self.root.join("home").join(who);
        let project = home.join("shop");
        let output = Command::new(self.path("bin/python3"))
            .args(["-I", "-c", TERMINAL, "/bin/sh", "-c"])
            .arg(format!("(exit {}); {command}", self.status))
            .current_dir(if project.exists() { &project } else { &home })
            .env_clear()
            .env("HOME", &home)
            .env("PATH", format!("{}:{}", self.path("bin"), search_path()))
            .envs([("USER", who), ("LANG", "C.UTF-8"), ("TERM", "xterm"), ("TZ", "UTC"), ("NO_COLOR", "1")])
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("CHECKOUT", CHECKOUT), ("PYTHONDONTWRITEBYTECODE", "1")])
            .envs([("GIT_AUTHOR_NAME", who), ("GIT_AUTHOR_EMAIL", "author@example.com")])
            .envs([("GIT_COMMITTER_NAME", who), ("GIT_COMMITTER_EMAIL", "author@example.com")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.status = output.status.code().unwrap_or_else(|| panic!("still waiting: {command}"));
        let shown = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
        let root = self.root.to_str().unwrap();
        // The program as if it were installed, which it is not here.
        without_colors(&shown.replace(root, "").replace(VAULT, "/usr/bin/vault"))
            + &String::from_utf8_lossy(&output.stderr)
    }
}

/// Where programs are found: the system's, then what `scripts/test.sh` puts into its Python environment.
fn search_path() -> String {
    let python = std::env::var("PYTHON_WITH_OPENAI").unwrap_or_else(|_| format!("{CHECKOUT}/target/venv/bin/python"));
    format!("/usr/local/bin:/usr/bin:/bin:{}", Path::new(&python).parent().unwrap().display())
}

/// The first program that a document needs and this machine lacks.
fn lacking(text: &str) -> Option<&str> {
    let needs = text.strip_prefix("<!-- needs: ")?.split_once(" -->")?.0;
    needs.split(' ').find(|name| !search_path().split(':').any(|directory| Path::new(directory).join(name).exists()))
}

/// Text without the colours that a terminal was sent (SGR sequences).
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, rest)| rest))
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(CHECKOUT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a document with what it should be, or rewrites it.
fn settle(path: &str, is: &str, should: &str, same: bool) {
    if same {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(Path::new(CHECKOUT).join(path), should).unwrap();
    }
    let wrong = is.lines().zip(should.lines()).position(|(is, should)| is != should && like(is) != like(should));
    let line = wrong.unwrap_or_else(|| is.lines().count().min(should.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    panic!("{path}, line {}:\n  is     {}\n  should {}\nUPDATE=1 rewrites it", line + 1, at(is), at(should));
}

/// What is another one in every run, made the same: times, ids, keys, codes.
fn like(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut at = 0;
    'text: while at < text.len() {
        for (shape, stands_for) in [
            ("9999-99-99T99:99:99Z", "TIME"),
            ("9999-99-99 99:99:99", "TIME"),
            ("9999-99-99", "DATE"),
            ("xxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxx", "CODE"),
        ] {
            let here = bytes.get(at..at + shape.len());
            if here.is_some_and(|here| here.iter().zip(shape.bytes()).all(|(&byte, shape)| fits(byte, shape))) {
                out.push_str(stands_for);
                at += shape.len();
                continue 'text;
            }
        }
        let word = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
        let is_path = bytes[at] == b'/';
        match (&text[at..at + word], word) {
            (_, 52) => out.push_str("ID"),
            (_, 43) if bytes.get(at + 43) == Some(&b'=') => out.push_str("KEY"),
            (recipient, 62) if recipient.starts_with("age1") => out.push_str("RECIPIENT"),
            (word, 1..) if !is_path => out.push_str(word),
            _ => {
                let c = text[at..].chars().next().unwrap();
                out.push(c);
                at += c.len_utf8();
                continue;
            }
        }
        at += word;
    }
    out
}

fn fits(byte: u8, shape: u8) -> bool {
    match shape {
        b'9' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte),
        other => byte == other,
    }
}

/// Runs the transcripts of a document. Gives the document with the output of this run,
/// and whether the run showed what the document says.
fn replay(text: &str) -> (String, bool) {
    let mut world = World::new();
    let (mut out, mut same) = (String::new(), true);
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(hidden) = line.strip_prefix("<!-- $ ").and_then(|rest| rest.strip_suffix(" -->")) {
            let shown = world.run(hidden);
            assert_eq!(world.status, 0, "{hidden}: {shown}");
            world.status = 0;
        }
        if !inside {
            inside = line == "```console";
            continue;
        }
        if line == "```" {
            inside = false;
            continue;
        }
        let Some((who, command)) = command_on(line) else { panic!("output without a command: {line}") };
        let mut command = command.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            out.push_str(more);
            out.push('\n');
            command = format!("{command}\n{}", &more[2..]);
        }
        let mut said = String::new();
        while let Some(line) = lines.next_if(|line| command_on(line).is_none() && *line != "```") {
            said.push_str(line);
            said.push('\n');
        }
        let mut shown = world.run_as(who, &command);
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        // What agrees but for times and ids stays as it is.
        let agrees = like(&said) == like(&shown);
        same &= agrees;
        out.push_str(if agrees { &said } else { &shown });
    }
    (out, same)
}

/// Who types a line of a transcript, and what.
fn command_on(line: &str) -> Option<(&str, &str)> {
    let (prompt, command) = line.split_once("$ ")?;
    match prompt {
        "" => Some(("alice", command)),
        other if OTHERS.contains(&other) => Some((other, command)),
        _ => None,
    }
}

fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    for entry in fs::read_dir(Path::new(CHECKOUT).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            found.push(format!("docs/{name}"));
        }
    }
    found.sort();
    found
}

#[test]
fn transcripts_show_what_happens() {
    // One world each, two at a time: most of the time goes into starting programs.
    // docs/team.md is run by tests/team, with clones and a remote.
    let has_transcript = |document: &String| document != "docs/team.md" && read(document).contains("```console");
    let documents: Vec<String> = documents().into_iter().filter(has_transcript).collect();
    assert!(documents.contains(&"README.md".to_owned()));
    std::thread::scope(|scope| {
        for half in documents.chunks(documents.len().div_ceil(2)) {
            scope.spawn(move || {
                for document in half {
                    let is = read(document);
                    if let Some(name) = lacking(&is) {
                        assert!(std::env::var_os("CI").is_none(), "{document}: {name} is missing");
                        // Past the capture of test output: nothing is left out in silence.
                        let _ =
                            writeln!(std::io::stderr(), "not run: {document}: {name} is missing; see scripts/test.sh");
                        continue;
                    }
                    let (should, same) = replay(&is);
                    settle(document, &is, &should, same);
                }
            });
        }
    });
}

/// `vault help …`, lines without blanks at their ends.
fn help(command: &str) -> String {
    let output = Command::new(VAULT)
        .arg("help")
        .args(command.split_whitespace())
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "vault help {command}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The commands that a help text lists, with the names they also go by.
fn listed(help: &str) -> Vec<(String, Vec<String>)> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed
        .filter_map(|line| {
            let name = line.split_whitespace().next()?.to_owned();
            let aliases = line.split_once("[alias: ").map_or("", |(_, rest)| rest.trim_end_matches(']'));
            Some((name, aliases.split(", ").filter(|alias| !alias.is_empty()).map(str::to_owned).collect()))
        })
        .filter(|(name, _)| name != "help")
        .collect()
}

/// Every command with those below it, in the order of the help text.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for (name, aliases) in listed(&help("")) {
        let below = listed(&help(&name));
        all.push((name.clone(), aliases));
        all.extend(below.into_iter().map(|(sub, aliases)| (format!("{name} {sub}"), aliases)));
    }
    all
}

/// The part of a help text about options that every command takes, and the rest.
fn split_everywhere(help: &str) -> (String, String) {
    let mut lines = help.lines();
    let before: Vec<&str> = lines.by_ref().take_while(|line| *line != "Everywhere:").collect();
    // Up to the next line that is not indented: an example, for instance.
    let (mut everywhere, mut after) = (Vec::new(), Vec::new());
    for line in lines {
        let part =
            if after.is_empty() && (line.is_empty() || line.starts_with(' ')) { &mut everywhere } else { &mut after };
        part.push(line);
    }
    let rest = format!("{}\n\n{}", before.join("\n").trim_end(), after.join("\n"));
    (everywhere.join("\n").trim_end().to_owned(), rest.trim_end().to_owned())
}

#[test]
fn the_reference_is_what_help_says() {
    let mut text = "# Command reference\n\n\
        Generated from `vault help`; `UPDATE=1 cargo test --test docs` does it again. Exit codes are in \
        [exit-codes.md](exit-codes.md).\n"
        .to_owned();
    let (everywhere, rest) = split_everywhere(&help(""));
    text += &format!("\n```text\n{rest}\n```\n\n## Options of every command\n\n```text\n{everywhere}\n```\n");
    for (command, _) in commands() {
        text += &format!("\n## vault {command}\n\n```text\n{}\n```\n", split_everywhere(&help(&command)).1);
    }
    let is = fs::read_to_string(Path::new(CHECKOUT).join("docs/cli.md")).unwrap_or_default();
    settle("docs/cli.md", &is, &text, is == text);
}

#[test]
fn the_table_of_providers_is_the_catalogue() {
    let mut text = "# Known providers\n\n\
        Generated from the catalogue; `UPDATE=1 cargo test --test docs` does it again.\n\n\
        `vault` recognises a provider by the variable's name and by the look of the value, and notes it with the \
        secret. From then on the value is due after the days given here, unless the secret or its profile says \
        otherwise. All of it is advice: formats drift, so a value that looks wrong is warned about and stored all \
        the same, and `vault` itself never talks to a provider. `vault set NAME --provider ID` corrects a guess; an \
        empty ID takes it out.\n\n\
        | ID | provider | variables | days | where to make a new key | can be rotated by API |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    let mut providers: Vec<_> = vault::provider::all().iter().collect();
    providers.sort_by_key(|provider| provider.id);
    for provider in providers {
        let variables: Vec<String> = provider.variables().map(|name| format!("`{name}`")).collect();
        let days = provider.rotate_days.map_or_else(|| "its own expiry".to_owned(), |days| days.to_string());
        let cell = |text: &str| text.replace('|', "\\|");
        text += &format!(
            "| `{}` | {} | {} | {days} | {} | {} |\n",
            provider.id,
            cell(provider.name),
            variables.join(", "),
            cell(provider.console),
            cell(provider.api)
        );
    }
    let is = fs::read_to_string(Path::new(CHECKOUT).join("docs/providers.md")).unwrap_or_default();
    settle("docs/providers.md", &is, &text, is == text);
}

/// Text without fenced blocks.
fn prose(text: &str) -> String {
    split_fenced(text).0
}

/// The text of fenced blocks that hold something to type.
fn fenced(text: &str) -> String {
    split_fenced(text).1
}

fn split_fenced(text: &str) -> (String, String) {
    let (mut outside, mut inside) = (String::new(), String::new());
    let mut language = None;
    for line in text.lines() {
        if let Some(after) = line.trim_start().strip_prefix("```") {
            language = if language.is_none() { Some(after) } else { None };
            continue;
        }
        let part = match language {
            None => &mut outside,
            Some("console" | "sh" | "yaml" | "dockerfile") => &mut inside,
            Some(_) => continue,
        };
        part.push_str(line);
        part.push('\n');
    }
    (outside, inside)
}

/// What stands between single backticks, on one line or two.
fn code_spans(text: &str) -> Vec<String> {
    prose(text)
        .split("\n\n")
        .flat_map(|paragraph| {
            paragraph.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect::<Vec<_>>()
        })
        .collect()
}

/// The name by which a heading is linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = prose(&read(&document));
        for rest in text.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else { continue };
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let directory = Path::new(&document).parent().unwrap();
            let path = if file.is_empty() { PathBuf::from(&document) } else { directory.join(file) };
            assert!(Path::new(CHECKOUT).join(&path).exists(), "{document}: {target}");
            if !heading.is_empty() {
                let there = prose(&read(path.to_str().unwrap()));
                let found = there
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
                assert!(found, "{document}: {target}");
            }
        }
    }
    assert!(count > 10, "{count} links");
}

#[test]
fn no_document_names_a_command_that_does_not_exist() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::from([("help".to_owned(), BTreeSet::new())]);
    for (command, aliases) in commands() {
        let (top, sub) = command.split_once(' ').unwrap_or((&command, ""));
        let names = aliases.into_iter().chain([if sub.is_empty() { top } else { sub }.to_owned()]);
        if sub.is_empty() {
            known.extend(names.map(|name| (name, BTreeSet::new())));
        } else {
            known.get_mut(top).unwrap().extend(names);
        }
    }
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let blocks = fenced(&text);
        let typed = blocks.lines().map(str::trim_start);
        let typed = typed.map(|line| command_on(line).map_or(line, |(_, command)| command));
        let typed = typed.map(|line| line.trim_start_matches("- run: "));
        let lines = typed.filter(|line| line.starts_with("vault ")).map(str::to_owned);
        for span in code_spans(&text).into_iter().chain(lines) {
            let Some(arguments) = span.strip_prefix("vault ") else { continue };
            let mut words = arguments.split_whitespace();
            let mut command = None;
            while let Some(word) = words.next() {
                match word {
                    "-p" | "--profile" | "--vault" | "--identity" => drop(words.next()),
                    _ if word.starts_with('-') => {}
                    _ if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
                        command = Some(word);
                        break;
                    }
                    // `vault = 1` in the format, `vault help CMD`.
                    _ => break,
                }
            }
            let Some(command) = command else { continue };
            count += 1;
            let below = known.get(command).unwrap_or_else(|| panic!("{document}: no `vault {command}`: {span}"));
            let next = words.next().filter(|next| next.bytes().all(|byte| byte.is_ascii_lowercase()));
            if let (false, Some(next)) = (below.is_empty(), next) {
                assert!(below.contains(next), "{document}: no `vault {command} {next}`");
            }
        }
    }
    assert!(count > 40, "{count} commands");
}

/// `src/store/read.rs: a_test` in backticks: the file is there, and the test in it.
#[test]
fn tests_that_are_referred_to_exist() {
    let mut count = 0;
    for document in documents() {
        for span in code_spans(&read(&document)) {
            let (file, test) = span.split_once(": ").unwrap_or((&span, ""));
            let is_file = ["src/", "tests/", "scripts/", "examples/"].iter().any(|start| file.starts_with(start));
            if !is_file || file.ends_with('/') || file.contains(['…', '*', ' ']) {
                continue;
            }
            let path = Path::new(CHECKOUT).join(file);
            assert!(path.exists(), "{document}: {file}");
            if !test.is_empty() {
                count += 1;
                let found = fs::read_to_string(&path).unwrap().contains(&format!("fn {test}("));
                assert!(found, "{document}: {span}");
            }
        }
    }
    assert!(count > 15, "{count} tests");
}

/// `docs/docker.md` without its engine: a read-only mount with files of root, a
/// memory-backed state, an ordinary user, an empty environment.
const CONTAINER: &str = r#"
set -eu
mkdir "$ROOT/app" "$ROOT/state"
cp "$PROJECT/vault.toml" "$ROOT/app/"
cp "$VAULT" "$ROOT/vault-program"
chmod 755 "$ROOT" "$ROOT/app" "$ROOT/vault-program"
mount --bind "$ROOT/app" "$ROOT/app"
mount -o remount,ro,bind "$ROOT/app"
mount -t tmpfs -o mode=0700,uid=65534,gid=65534 tmpfs "$ROOT/state"
cd "$ROOT/app"
try() {
    echo "-- $1"
    shift
    setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/ \
        VLT_IDENTITY="$IDENTITY" "$@" "$ROOT/vault-program" exec -- sh -c 'echo "uid $(id -u): $DEPLOY_KEY"' 2>&1 || echo "status $?"
}
try all VLT_FILE="$ROOT/app/vault.toml" VLT_STATE_DIR="$ROOT/state" VLT_VAULT_ID="$ID"
rm -r "$ROOT/state/"*
try no-id VLT_FILE="$ROOT/app/vault.toml" VLT_STATE_DIR="$ROOT/state"
try other-id VLT_FILE="$ROOT/app/vault.toml" VLT_STATE_DIR="$ROOT/state" VLT_VAULT_ID="$OTHER"
try no-file VLT_STATE_DIR="$ROOT/state" VLT_VAULT_ID="$ID"
try no-state VLT_FILE="$ROOT/app/vault.toml" VLT_STATE_DIR="$ROOT/app/state" VLT_VAULT_ID="$ID"
"#;

#[test]
fn a_read_only_place_of_root_and_an_ordinary_user() {
    let may_mount = Command::new("unshare").args(["-m", "mount", "--bind", "/usr", "/usr"]).output();
    if !may_mount.as_ref().is_ok_and(|output| output.status.success()) {
        let why = may_mount.map_or_else(|error| error.to_string(), |done| String::from_utf8_lossy(&done.stderr).into());
        // Past the capture of test output: nothing is left out in silence.
        let _ = writeln!(std::io::stderr(), "not run: a_read_only_place_of_root_and_an_ordinary_user: {}", why.trim());
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        assert!(!is_root || std::env::var_os("CI").is_none(), "root, and cannot mount");
        return;
    }
    let mut world = World::new();
    world.run("vault init --member alice --device alice-laptop && printf made-up-value | vault set DEPLOY_KEY -");
    assert_eq!(world.status, 0);
    let project = world.path("home/alice/shop");
    let text = fs::read_to_string(format!("{project}/vault.toml")).unwrap();
    let id = text.lines().nth(2).unwrap().trim_start_matches("id = ").trim_matches('"').to_owned();
    let other = if id.starts_with('a') { id.replacen('a', "b", 1) } else { format!("a{}", &id[1..]) };
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", CONTAINER])
        .env("ROOT", &world.root)
        .env("PROJECT", &project)
        .env("VAULT", VAULT)
        .env("IDENTITY", fs::read_to_string(world.path("home/alice/.config/vault/identity")).unwrap())
        .env("ID", &id)
        .env("OTHER", &other)
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let parts: BTreeMap<&str, &str> = shown.split("-- ").skip(1).map(|part| part.split_once('\n').unwrap()).collect();
    assert_eq!(parts.len(), 5, "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(parts["all"], "uid 65534: made-up-value\n");
    for (name, says) in [
        ("no-id", "not used on this device before"),
        ("other-id", "not what VLT_VAULT_ID asks for"),
        ("no-file", "belongs to another user"),
        ("no-state", "read-only"),
    ] {
        let said = parts[name];
        assert!(said.contains(says) && said.ends_with("status 125\n"), "{name}: {said}");
        assert!(!shown[5..].replacen("made-up-value", "", 1).contains("made-up-value"), "{name}: {said}");
    }
}
