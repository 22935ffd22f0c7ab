use crate::harness::{World, keys, sorted, write};

/// The keys that scripts rely on.
pub(crate) const KEYS: [&str; 15] = [
    "last_used",
    "name",
    "profile",
    "state",
    "version",
    "set_at",
    "age_days",
    "age_at_least",
    "rotate_every",
    "due_at",
    "expires_at",
    "provider",
    "owner",
    "exposed",
    "scope",
];

#[test]
fn needs_no_identity_and_has_an_alias() {
    let (world, _) = World::with_secret("K");
    std::fs::remove_file(world.identity_file()).unwrap();
    for command in ["list", "ls"] {
        world.vault([command]).ok().prints("K").prints("unmanaged").silent();
    }
}

#[test]
fn an_empty_profile_is_an_empty_array() {
    let world = World::new();
    let output = world.vault(["list", "--json"]).ok().silent();
    assert_eq!(output.json(), serde_json::json!([]));
    let output = world.vault(["list"]).ok().says("vault import .env");
    assert!(output.stdout.is_empty());
    world.vault(["list", "-q"]).ok().silent();
}

#[test]
fn json_has_its_keys() {
    let world = World::new();
    world.set_with(
        "K",
        "v",
        &[
            "--rotate-every",
            "12w",
            "--owner",
            "alice",
            "--host",
            "api.example.com",
            "--rate",
            "5/min",
            "--expires",
            "2999-01-02",
        ],
    );
    let json = world.vault(["list", "--json"]).ok().json();
    let entry = &json[0];
    assert_eq!(keys(entry), sorted(&KEYS));
    assert_eq!(entry["name"], "K");
    assert_eq!(entry["profile"], "default");
    assert_eq!(entry["state"], "fresh");
    assert_eq!(entry["version"], 1);
    assert_eq!(entry["age_days"], 0);
    assert_eq!(entry["age_at_least"], false);
    assert_eq!(entry["rotate_every"], "84d");
    assert_eq!(entry["expires_at"], "2999-01-02T00:00:00Z");
    assert_eq!(entry["owner"], "alice");
    assert_eq!(entry["exposed"], serde_json::json!([]));
    assert_eq!(entry["scope"]["hosts"][0], "api.example.com");
    let set_at = entry["set_at"].as_str().unwrap();
    assert!(set_at.len() == 20 && set_at.ends_with('Z'), "{set_at}");
}

#[test]
fn exposures_say_when_to_whom_and_why() {
    let world = World::new();
    crate::harness::git(&world.project, &["init", "-q"]);
    write(&world.project.join(".env"), "K=v\n");
    crate::harness::git(&world.project, &["add", "-f", ".env"]);
    world.vault(["import"]).ok();
    let json = world.vault(["list", "--json"]).ok().json();
    assert_eq!(json[0]["state"], "exposed");
    assert_eq!(keys(&json[0]["exposed"][0]), sorted(&["at", "to", "why"]));
    assert!(json[0]["exposed"][0]["why"].as_str().unwrap().contains(".env was in git"));
}

#[test]
fn the_most_urgent_stands_first() {
    let world = World::new();
    for (name, more) in [
        ("A_FRESH", &["--rotate-every", "90d"][..]),
        ("B_UNMANAGED", &[]),
        ("C_OVERDUE", &["--rotate-every", "30d", "--created", "2026-01-01"]),
        ("D_EXPIRED", &["--expires", "2020-01-01"]),
        ("E_DUE", &["--rotate-every", "9000d", "--warn-at", "8999d", "--created", "2026-01-01"]),
    ] {
        world.set_with(name, "v", more);
    }
    let json = world.vault(["list", "--json"]).ok().json();
    let states: Vec<_> = json.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["expired", "overdue", "due", "fresh", "unmanaged"]);
    let lines: Vec<String> = world.vault(["list"]).ok().out().lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("D_EXPIRED"), "{lines:?}");
}

#[test]
fn colour_only_where_it_is_asked_for() {
    let (world, _) = World::with_secret("K");
    assert!(!world.vault(["list"]).ok().out().contains('\x1b'));
    assert!(world.vault(["list", "--color", "always"]).ok().out().contains("\x1b["));
    assert!(!world.vault(["list", "--color", "never"]).ok().out().contains('\x1b'));
    world.vault(["list", "--color", "purple"]).fails_with(2, "auto, always, never");
}

#[test]
fn a_child_lists_what_it_takes_over() {
    let world = World::new();
    world.set("BASE", "v");
    world.vault(["profile", "add", "dev", "--extends", "default"]).ok();
    world.run(["-p", "dev", "set", "OWN", "-"]).stdin("v").output().ok();
    let json = world.vault(["-p", "dev", "list", "--json"]).ok().json();
    let pairs: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["profile"].as_str().unwrap()))
        .collect();
    assert_eq!(pairs, [("BASE", "default"), ("OWN", "dev")]);
}
