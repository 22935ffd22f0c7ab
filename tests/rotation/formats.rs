//! Every format of the due list, read by a parser that did not come from us.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::harness::{Project, python};

/// Secrets in every state, with text in their metadata that formats must escape.
fn project() -> Project {
    let project = Project::new();
    project.set(
        "LATE",
        "value-of-late",
        &["--created", "2020-01-01", "--rotate-every", "30d", "--owner", "al,i;c\"e\\"],
    );
    project.set(
        "GONE",
        "value-of-gone",
        &["--expires", "2021-01-01", "--owner", "größe: 100%, überall und länger als eine Zeile"],
    );
    project.set("SOON", "value-of-soon", &["--rotate-every", "10d", "--warn-at", "40d"]);
    project.set("FRESH", "value-of-fresh", &["--rotate-every", "90d"]);
    project.set("NEVER", "value-of-never", &["--no-rotation"]);
    project
}

/// What the parser found, or `None` where there is none here.
fn parsed(project: &Project, format: &str, more: &[&str]) -> Option<Value> {
    let file = project.path(&format!("due.{format}"));
    let mut arguments = vec!["rotation", "--format", format, "--output", file.to_str().unwrap()];
    arguments.extend(more);
    assert_eq!(project.ok(&arguments), "");
    checked(format, &file)
}

fn checked(format: &str, file: &Path) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rotation/check_formats.py");
    let output = Command::new(python()?).arg(script).arg(format).arg(file).output().unwrap();
    assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn sarif_is_valid_and_points_at_the_lines_of_secrets() {
    let project = project();
    let Some(results) = parsed(&project, "sarif", &[]) else { return };
    let text = String::from_utf8(project.vault_file()).unwrap();
    let found: Vec<(&str, &str)> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| {
            let line = text.lines().nth(result[3].as_u64().unwrap() as usize - 1).unwrap();
            (result[0].as_str().unwrap(), line)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("secret-expired", "[profile.default.secret.GONE]"),
            ("secret-overdue", "[profile.default.secret.LATE]"),
            ("secret-due", "[profile.default.secret.SOON]")
        ]
    );
}

#[test]
fn prometheus_reads_states_ages_and_odd_labels() {
    let project = project();
    let Some(samples) = parsed(&project, "prometheus", &[]) else { return };
    let of =
        |name: &str| samples.as_array().unwrap().iter().filter(move |sample| sample[0] == name).collect::<Vec<_>>();
    let states: BTreeSet<(&str, &str)> = of("vault_secret_state")
        .iter()
        .map(|sample| (sample[1]["name"].as_str().unwrap(), sample[1]["state"].as_str().unwrap()))
        .collect();
    let want = [("LATE", "overdue"), ("GONE", "expired"), ("SOON", "due"), ("FRESH", "fresh"), ("NEVER", "unmanaged")];
    assert_eq!(states, BTreeSet::from(want));
    let late = of("vault_secret_state").into_iter().find(|sample| sample[1]["name"] == "LATE").unwrap();
    assert_eq!(late[1]["owner"], "al,i;c\"e\\");
    assert_eq!(of("vault_secret_due_timestamp_seconds").len(), 4);
    let overdue = of("vault_secrets").into_iter().find(|sample| sample[1]["state"] == "overdue").unwrap();
    assert_eq!(overdue[2], 1.0);
}

#[test]
fn a_metrics_file_is_replaced_whole() {
    let project = project();
    let file = project.dir().join("metrics/vault.prom");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "before\n").unwrap();
    // Who reads it meanwhile has the one or the other.
    let reader = std::fs::File::open(&file).unwrap();
    project.ok(&["rotation", "--format", "prometheus", "--output", file.to_str().unwrap()]);
    assert_eq!(std::io::read_to_string(reader).unwrap(), "before\n");
    assert!(std::fs::read_to_string(&file).unwrap().contains("vault_secret_state{"));
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["vault.prom"]);
}

#[test]
fn calendars_have_an_event_for_each_stage_with_a_uid_that_stays() {
    let project = project();
    let Some(events) = parsed(&project, "ics", &[]) else { return };
    let events = events.as_array().unwrap();
    let titles: Vec<&str> = events.iter().map(|event| event[2].as_str().unwrap()).collect();
    assert!(titles.contains(&"LATE is overdue for rotation") && titles.contains(&"GONE expires"), "{titles:?}");
    // Set today: one for each warning step, and one for the day itself.
    let fresh: Vec<&str> = titles.iter().copied().filter(|title| title.contains("FRESH")).collect();
    let lefts = [" (30d left)", " (14d left)", " (7d left)", " (1d left)", "FRESH is overdue for rotation"];
    assert_eq!(fresh.len(), 5, "{fresh:?}");
    assert!(fresh.iter().zip(lefts).all(|(title, end)| title.ends_with(end)), "{fresh:?}");
    let late = events.iter().find(|event| event[2] == "LATE is overdue for rotation").unwrap();
    assert_eq!((&late[1], &late[3]), (&"2020-01-31".into(), &"Profile default\nOwner: al,i;c\"e\\".into()));
    let uids = |events: &[Value]| events.iter().map(|event| event[0].clone()).collect::<Vec<_>>();
    let before: BTreeSet<String> = uids(events).iter().map(ToString::to_string).collect();
    assert_eq!(before.len(), events.len(), "UIDs are unique");
    // A new date moves the events; they stay the same ones.
    project.set("LATE", "value-of-late", &["--created", "2019-01-01"]);
    let after = parsed(&project, "ics", &[]).unwrap();
    let late = after.as_array().unwrap().iter().find(|event| event[2] == "LATE is overdue for rotation").unwrap();
    assert_eq!(late[1], "2019-01-31");
    assert_eq!(uids(after.as_array().unwrap()).iter().map(ToString::to_string).collect::<BTreeSet<_>>(), before);
}

#[test]
fn github_annotations_escape_what_would_end_them() {
    let project = project();
    let out = project.ok(&["rotation", "--format", "github"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("::error file=vault.toml,line=") && lines[0].contains(",title=secret expired::GONE"));
    assert!(lines[2].starts_with("::warning file=vault.toml,line="));
    // A path can hold whatever a file system allows; undone as the runner does it.
    let odd = project.dir().join("a,b:c%2C\nd::error::x");
    std::fs::create_dir_all(&odd).unwrap();
    std::fs::create_dir(project.dir().join(".git")).unwrap();
    std::fs::copy(project.dir().join("vault.toml"), odd.join("vault.toml")).unwrap();
    let path = odd.join("vault.toml").display().to_string();
    let id = project.ok(&["which", "--json"]);
    let id: Value = serde_json::from_str(&id).unwrap();
    let mut command = project.command(&["--vault", &path, "rotation", "--format", "github"]);
    let output = command.env("VLT_VAULT_ID", id["id"].as_str().unwrap()).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.lines().count(), 3, "{out} {}", String::from_utf8_lossy(&output.stderr));
    let file = project.path("due.github");
    std::fs::write(&file, &out).unwrap();
    let Some(found) = checked("github", &file) else { return };
    for annotation in found.as_array().unwrap() {
        assert_eq!(annotation[1], "a,b:c%2C\nd::error::x/vault.toml");
    }
    assert_eq!((&found[0][0], &found[0][3]), (&"error".into(), &"secret expired".into()));
}

#[test]
fn an_alias_hides_every_name_in_every_format() {
    let project = project();
    for format in ["table", "json", "github", "sarif", "prometheus", "ics"] {
        let out = project.ok(&["rotation", "--alias", "--format", format]);
        for word in ["LATE", "GONE", "SOON", "FRESH", "NEVER", "größe", "al,i", "default\""] {
            assert!(!out.contains(word), "{word} in {format}: {out}");
        }
        assert!(out.contains("secret-"), "{format}");
    }
}
