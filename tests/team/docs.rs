//! `docs/team.md`: its transcripts are run, and must say what the page says.
//! What differs from run to run (keys, ids, dates, versions of the home directory's
//! place) is shown as `…` or as the page writes it.

use std::collections::BTreeMap;
use std::process::Command;

use crate::world::{Person, World, finish};

const PAGE: &str = include_str!("../../docs/team.md");

/// What the page refers to by `…`: the last of its kind that was printed.
#[derive(Default)]
struct Seen {
    id: String,
    request: String,
    identity: String,
}

#[test]
fn the_transcripts_are_what_happens() {
    let world = World::empty();
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    let mut seen = Seen::default();
    let mut actual = String::new();
    let mut in_transcript = false;
    for line in PAGE.lines() {
        if line.starts_with("```") {
            in_transcript = line == "```console";
        } else if in_transcript {
            // What follows a command on the page is its output, which is put in anew.
            let Some((user, command)) = line.split_once("$ ").filter(|(user, _)| is_user(user)) else { continue };
            let person = people.entry(user.to_owned()).or_insert_with(|| configured(world.person(user)));
            let output = run(person, command, &mut seen);
            actual += &format!("{line}\n{}", normal(&output, &world, &seen));
            continue;
        }
        actual += line;
        actual.push('\n');
    }
    if actual != PAGE {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("team.md");
        std::fs::write(&path, &actual).unwrap();
        let differs = PAGE.lines().zip(actual.lines()).find(|(page, actual)| page != actual);
        panic!("docs/team.md is not what happens, see {}; first: {differs:?}", path.display());
    }
}

fn is_user(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

fn configured(person: Person) -> Person {
    let config = "[user]\nname = t\nemail = t@example.com\n[init]\ndefaultBranch = main\n";
    std::fs::write(person.home.join(".gitconfig"), config).unwrap();
    person
}

/// Runs a line of the page in a shell, both outputs in one, and takes note of what it printed.
fn run(person: &Person, command: &str, seen: &mut Seen) -> String {
    let command = command
        .replace("vlt-join1…", &seen.request)
        .replace("VLT_VAULT_ID=…", &format!("VLT_VAULT_ID={}", seen.id))
        .replace("VLT_IDENTITY=…", &format!("VLT_IDENTITY={}", seen.identity));
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("exec 2>&1; {command}")).env_clear().envs(person.env()).current_dir(&person.clone);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_vault")).parent().unwrap();
    shell.env("PATH", format!("{}:{}", program.display(), person.env()["PATH"]));
    shell.env("GIT_CONFIG_NOSYSTEM", "1");
    let output = finish(shell, "").stdout;
    for word in output.split_whitespace() {
        if word.starts_with("vlt-join1") {
            word.clone_into(&mut seen.request);
        }
        if let Some(identity) = word.strip_prefix("VLT_IDENTITY=") {
            identity.clone_into(&mut seen.identity);
        }
    }
    if person.vault_file().exists() && !person.text().contains("<<<<<<<") {
        seen.id = person.id();
    }
    output
}

/// The output as the page writes it.
fn normal(output: &str, world: &World, seen: &Seen) -> String {
    let mut text = output.to_owned();
    // Homes stand beside the clones; the page knows them by `~`.
    for person in ["alice", "bob", "bob-new", "carol", "dave", "erin", "ci", "carol-new"] {
        let at = |end: &str| world.base().join(format!("{person}{end}")).display().to_string();
        text = text.replace(&at("-app"), "~/app").replace(&format!("{}/", at("")), "~/");
    }
    if !seen.id.is_empty() {
        text = text.replace(&seen.id, "…");
    }
    if let Ok(request) = seen.request.parse::<vault::team::Request>() {
        text = text.replace(&request.fingerprint(), "…");
    }
    text.lines()
        .map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ").trim_end().to_owned() + "\n")
        .collect()
}

/// A word with what is random or a date in it left out.
fn word(word: &str) -> String {
    for prefix in ["vlt-join1", "VLT_IDENTITY=AGE-SECRET-KEY-1", "age1"] {
        if let Some(rest) = word.strip_prefix(prefix)
            && rest.len() > 50
        {
            return format!("{}…", prefix.trim_end_matches("AGE-SECRET-KEY-1"));
        }
    }
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    if word.len() == 20 && word.ends_with('Z') && digits(word) == 14 {
        return "2026-11-23T09:00:00Z".to_owned();
    }
    if word.len() == 10 && digits(word) == 8 && word.matches('-').count() == 2 {
        return "2026-11-23".to_owned();
    }
    word.to_owned()
}
