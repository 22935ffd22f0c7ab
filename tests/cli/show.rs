use crate::harness::{World, keys, sorted};
use crate::list::KEYS;

#[test]
fn json_has_its_keys() {
    let world = World::new();
    world.set_with("K", "v1", &["--note", "for tests", "--basis", "habit", "--keep", "5"]);
    world.set("K", "v2");
    let entry = world.vault(["show", "K", "--json"]).ok().silent().json();
    let more = ["set_by", "basis", "note", "keep", "earlier"];
    assert_eq!(keys(&entry), sorted(&[&KEYS[..], &more].concat()));
    assert_eq!(entry["set_by"], "alice-laptop");
    assert_eq!(entry["basis"], "habit");
    assert_eq!(entry["note"], "for tests");
    assert_eq!(entry["keep"], 5);
    assert_eq!(entry["version"], 2);
    assert_eq!(keys(&entry["earlier"][0]), sorted(&["version", "set_at", "retired_at", "stage"]));
    assert_eq!(entry["earlier"][0]["stage"], "previous");
    assert_eq!(entry["last_used"], serde_json::Value::Null);
}

#[test]
fn the_last_use_is_that_of_the_log() {
    let (world, _) = World::with_secret("K");
    world.set("OTHER", "v");
    let last = |name: &str| world.vault(["show", name, "--json"]).ok().json()["last_used"].clone();
    for use_it in [&["get", "K"][..], &["exec", "--only", "K", "--", "true"], &["exec", "--as", "X=K", "--", "true"]] {
        world.run(use_it).shows_values().output().ok();
        assert!(last("K").as_str().is_some(), "{use_it:?}");
        assert!(last("OTHER").is_null(), "{use_it:?}");
    }
}

#[test]
fn shows_scope_and_says_what_is_not_enforced() {
    let world = World::new();
    world.set_with(
        "K",
        "v",
        &[
            "--command",
            "python",
            "--host",
            "api.example.com",
            "--method",
            "GET",
            "--path",
            "/v1",
            "--rate",
            "9/s",
            "--permission",
            "read",
        ],
    );
    let output = world.vault(["show", "K"]).ok();
    assert_eq!(output.out().matches("(not enforced)").count(), 5, "{}", output.out());
    assert!(output.out().lines().any(|line| line.contains("programs") && line.contains("python")));
}

#[test]
fn needs_no_identity_and_knows_what_was_meant() {
    let (world, _) = World::with_secret("STRIPE_KEY");
    std::fs::remove_file(world.identity_file()).unwrap();
    world.vault(["show", "STRIPE_KEY"]).ok().prints("alice-laptop");
    world.vault(["show", "STRIPE"]).fails(3, "no secret STRIPE", "vault list");
    world.vault(["show", "stripe_key"]).fails(3, "no secret", "did you mean STRIPE_KEY?");
}
