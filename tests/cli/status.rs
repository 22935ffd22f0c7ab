use crate::harness::{World, keys, sorted};
use crate::terminal::Terminal;

const NOTHING: [&str; 0] = [];

fn lines(world: &World) -> Vec<String> {
    let output = world.vault(NOTHING).ok().silent();
    output.out().lines().map(str::to_owned).collect()
}

#[test]
fn five_lines_say_how_things_stand() {
    let (world, _) = World::with_secret("FRESH");
    world.set_with("LATE", "x", &["--created", "2020-01-01", "--rotate-every", "30d"]);
    world.set_with("GONE", "x", &["--expires", "2020-01-01"]);
    world.vault(["profile", "add", "prod"]).ok();
    let before = world.snapshot();
    let shown = lines(&world);
    let file = world.vault_file();
    assert_eq!(
        shown,
        [
            format!("vault     {}", file.display()),
            "profile   default, 3 secrets; also prod".to_owned(),
            "identity  alice-laptop, of alice".to_owned(),
            "due       1 expired, 1 overdue: GONE, LATE; see `vault rotation`".to_owned(),
            "last use  none on record".to_owned(),
        ]
    );
    world.vault(["exec", "--only", "FRESH", "--", "true"]).ok();
    assert_eq!(lines(&world)[4], "last use  exec true, just now, on alice-laptop");
    world.value("FRESH");
    assert!(lines(&world)[4].starts_with("last use  get, just now"));
    assert_eq!(lines(&world)[1..], world.vault(["status"]).ok().out().lines().skip(1).collect::<Vec<_>>());
    assert!(world.vault(["-p", "prod"]).ok().out().contains("profile   prod, 0 secrets; also default"));
    world.assert_unchanged(&before);
    let json = world.vault(["status", "--json"]).ok().json();
    let wanted = ["vault", "id", "trusted", "profile", "profiles", "secrets", "device", "member", "due", "last_use"];
    assert_eq!(keys(&json), sorted(&wanted));
    assert_eq!((json["due"][0]["name"].as_str(), json["last_use"]["action"].as_str()), (Some("GONE"), Some("get")));
    // Nothing of it goes on record.
    assert!(!world.records("alice-laptop").iter().any(|record| record["action"] == "status"));
}

#[test]
fn without_a_vault_it_says_what_to_type_first() {
    let world = World::bare();
    let before = world.snapshot();
    let shown = lines(&world);
    assert!(shown[0].starts_with("vault     none here: ") && shown[1].contains("`vault init` makes one"), "{shown:?}");
    let json = world.vault(["status", "--json"]).ok().json();
    assert_eq!((&json["vault"], &json["trusted"]), (&serde_json::Value::Null, &false.into()));
    world
        .run(NOTHING)
        .env("VLT_FILE", "/nonexistent/vault.toml")
        .output()
        .ok()
        .prints("there is no vault at /nonexistent");
    world.assert_unchanged(&before);
}

#[test]
fn at_a_place_that_is_not_trusted_nothing_is_asked_and_nothing_remembered() {
    let (alice, _) = World::with_secret("A");
    let bob = alice.clone_for("bob");
    let before = bob.snapshot();
    let shown = Terminal::spawn(bob.run(NOTHING).env("NO_COLOR", "1").command()).ends(0);
    assert!(shown.contains("not trusted here yet: `vault trust`"), "{shown}");
    assert!(shown.contains("identity  none can be used: `vault identity where`"), "{shown}");
    bob.assert_unchanged(&before);
    // A damaged one is told as by every other command.
    alice.put(alice.text().replacen("version = 1", "version = 2", 1));
    alice.vault(NOTHING).exits(5);
}

#[test]
fn a_passphrase_is_not_asked_for() {
    let world = World::bare();
    let private = world.home.join("private/passphrase");
    crate::harness::write_private(&private, "correct horse\n");
    world.run(["init", "--device", "alice-laptop", "--passphrase"]).env("VLT_PASSPHRASE_FILE", &private).output().ok();
    let shown = Terminal::spawn(world.run(NOTHING).env("NO_COLOR", "1").command()).ends(0);
    assert!(shown.contains("identity  alice-laptop, of alice"), "{shown}");
}
