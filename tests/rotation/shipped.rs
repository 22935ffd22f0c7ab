//! What the documents and examples give people to copy, run as they would run it.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::harness::{Project, python};
use super::web::serve;

const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// The first block of a document in a language.
fn block(document: &str, language: &str) -> String {
    let text = std::fs::read_to_string(Path::new(CHECKOUT).join("docs").join(document)).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned() + "\n"
}

#[test]
fn the_rotator_of_the_document_rotates_keys_of_an_api() {
    let project = Project::new();
    let keys = Arc::new(Mutex::new(vec!["first".to_owned()]));
    let server = Arc::clone(&keys);
    let mut made = 0;
    let address = serve(move |request| {
        let mut keys = server.lock().unwrap();
        if !keys.contains(&request.bearer) {
            return (401, String::new());
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/keys") => {
                made += 1;
                keys.push(format!("made-{made}"));
                (201, json!({ "key": format!("made-{made}") }).to_string())
            }
            ("GET", "/keys/self") => (200, "{}".to_owned()),
            ("DELETE", "/keys/self") => {
                keys.retain(|key| *key != request.bearer);
                (204, String::new())
            }
            _ => (404, String::new()),
        }
    });
    let script = block("rotation.md", "python");
    assert!(script.contains("\"https://api.example.com/keys\""));
    let script = script.replace("https://api.example.com", &address);
    std::fs::write(project.dir().join("rotator.py"), script).unwrap();
    project.set("API_KEY", "first", &[]);
    let run = "/usr/bin/python3 rotator.py";
    project.ok(&["rotate", "API_KEY", "--run", run]);
    assert_eq!(project.ok(&["get", "API_KEY"]), "made-1");
    assert_eq!(*keys.lock().unwrap(), ["first", "made-1"], "both work in the grace");
    project.ok(&["rotate", "API_KEY", "--revoke", "--run", run]);
    assert_eq!(*keys.lock().unwrap(), ["made-1"]);
    project.ok(&["rotate", "API_KEY", "--run", run, "--leaked"]);
    assert_eq!(*keys.lock().unwrap(), ["made-2"]);
    // A key that the API refuses is an error with its number, and no value in it.
    keys.lock().unwrap().clear();
    let ran = project.run(&["rotate", "API_KEY", "--run", run]);
    assert!(ran.code == 8 && ran.err.contains("POST: 401") && !ran.err.contains("made-2"), "{}", ran.err);
}

#[test]
fn a_chat_that_is_down_gets_its_reminders_later_and_once() {
    let project = Project::new();
    project.set("KEY", "v", &["--created", "2020-01-01", "--rotate-every", "30d"]);
    let posts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&posts);
    let address = serve(move |request| {
        let mut posts = seen.lock().unwrap();
        posts.push((request.path, request.body));
        (if posts.len() == 1 { 500 } else { 200 }, "ok".to_owned())
    });
    let url = format!("{address}/services/T0/B0/secret-part");
    project.set("CHAT_WEBHOOK", &url, &["--no-rotation"]);
    let channel = format!("command:/usr/bin/python3 {CHECKOUT}/examples/notify/chat.py");
    let vault = env!("CARGO_BIN_EXE_vault");
    let remind = || project.run(&["exec", "--only", "CHAT_WEBHOOK", "--", vault, "remind", "--notify", &channel]);
    let ran = remind();
    assert!(ran.code == 8 && ran.err.contains("the chat answered 500"), "{}", ran.err);
    assert!(!ran.err.contains("secret-part"), "{}", ran.err);
    for _ in 0..2 {
        let ran = remind();
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let posts = posts.lock().unwrap();
    assert_eq!(posts.len(), 2, "what arrived is not sent again");
    assert_eq!(posts[1].0, "/services/T0/B0/secret-part");
    let body: Value = serde_json::from_str(&posts[1].1).unwrap();
    assert!(body["text"].as_str().unwrap().starts_with("KEY in profile default is overdue"), "{body}");
}

/// The workflow of docs/ci.md as a parser of YAML has it.
fn workflow() -> Option<Value> {
    let script = "import json, sys, yaml\nprint(json.dumps(yaml.safe_load(sys.stdin), default=str))";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("workflow.yml");
    std::fs::write(&file, block("ci.md", "yaml")).unwrap();
    let mut command = Command::new(python()?);
    let output = command.args(["-c", script]).stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_workflow_fails_a_pull_request_on_late_keys_without_any_secret() {
    let Some(workflow) = workflow() else { return };
    // YAML 1.1 reads `on` as a truth value.
    assert!(workflow["true"].as_array().unwrap().contains(&"pull_request".into()), "{workflow}");
    let job = &workflow["jobs"]["check"];
    assert!(!job.to_string().contains("secrets."), "no secret for the check");
    assert_eq!(job["env"], json!({ "VLT_VAULT_ID": "${{ vars.VLT_VAULT_ID }}" }));
    let steps: Vec<&str> = job["steps"].as_array().unwrap().iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(steps[0].starts_with("pip install "));
    let project = Project::new();
    let text = String::from_utf8(project.vault_file()).unwrap();
    let id = text.lines().nth(2).unwrap().split('"').nth(1).unwrap().to_owned();
    let bin = project.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vault"), bin.join("vault")).unwrap();
    // A runner: a fresh home, a checkout, and the one variable.
    let check = |runner: &str| {
        let home = project.path(runner);
        std::fs::create_dir_all(home.join("checkout/.git")).unwrap();
        std::fs::copy(project.dir().join("vault.toml"), home.join("checkout/vault.toml")).unwrap();
        let mut out = String::new();
        for step in &steps[1..] {
            let mut command = Command::new("bash");
            command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step]).current_dir(home.join("checkout"));
            command.env_clear().env("HOME", &home).env("CI", "true").env("VLT_VAULT_ID", &id);
            command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            let output = command.output().unwrap();
            out.push_str(&String::from_utf8_lossy(&output.stdout));
            if !output.status.success() {
                assert_eq!(output.status.code(), Some(1), "{step}: {}", String::from_utf8_lossy(&output.stderr));
                return (Some(*step), out);
            }
        }
        (None, out)
    };
    project.set("KEY", "v", &["--rotate-every", "90d"]);
    assert_eq!(check("fresh").0, None);
    project.set("LATE", "v", &["--created", "2020-01-01", "--rotate-every", "90d"]);
    let (failed, out) = check("late");
    assert!(failed.unwrap().starts_with("vault rotation "), "{failed:?}");
    assert!(out.contains("::error file=vault.toml,line="), "{out}");
    project.ok(&["rm", "LATE"]);
    assert_eq!(check("again").0, None);
    project.ok(&["expose", "KEY", "--why", "pasted"]);
    assert!(check("exposed").0.unwrap().starts_with("vault rotation "));
    // A file that somebody edited fails before anything is read from it.
    let path = project.dir().join("vault.toml");
    std::fs::write(&path, String::from_utf8(project.vault_file()).unwrap().replace("90d", "99d")).unwrap();
    assert_eq!(check("edited").0, Some("vault verify"));
}
