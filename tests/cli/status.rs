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
    let begin = "begin     `vault init` makes one; then `vault import .env`, and `vault exec -- your-program`";
    let shown = lines(&world);
    assert!(shown[0].starts_with("vault     none here: "), "{shown:?}");
    let more = "more      `vault help` lists the commands";
    assert_eq!(shown[1..], ["profile   none", "identity  none yet", begin, more]);
    let json = world.vault(["status", "--json"]).ok().json();
    assert_eq!((&json["vault"], &json["trusted"]), (&serde_json::Value::Null, &false.into()));
    world
        .run(NOTHING)
        .env("VLT_FILE", "/nonexistent/vault.toml")
        .output()
        .ok()
        .prints("there is no vault at /nonexistent");
    world.assert_unchanged(&before);
    // With an identity of another vault.
    let (world, _) = World::with_secret("K");
    std::fs::rename(world.vault_file(), world.home.join("elsewhere.toml")).unwrap();
    assert_eq!(lines(&world)[2..4], ["identity  there is one: `vault identity show`", begin]);
}

#[test]
fn without_an_identity_or_as_a_stranger_there_are_five_lines_too() {
    let (world, _) = World::with_secret("K");
    std::fs::remove_file(world.identity_file()).unwrap();
    let none = lines(&world);
    assert_eq!((none.len(), &none[2][..]), (5, "identity  none can be used: `vault identity where`"));
    world.vault(["identity", "new"]).ok();
    let stranger = lines(&world);
    assert_eq!((stranger.len(), &stranger[2][..]), (5, "identity  in no device of this vault: `vault join`"));
}

#[test]
fn at_a_place_that_is_not_trusted_nothing_is_asked_and_nothing_remembered() {
    let (alice, _) = World::with_secret("A");
    let bob = alice.clone_for("bob");
    let before = bob.snapshot();
    let shown = Terminal::spawn(bob.run(NOTHING).env("NO_COLOR", "1").command()).ends(0);
    assert!(shown.contains("not trusted here yet: `vault trust`"), "{shown}");
    let rest: Vec<&str> = shown.lines().skip(1).map(str::trim_end).collect();
    assert_eq!(
        rest,
        [
            "profile   default",
            "identity  none can be used: `vault identity where`",
            "due       not looked at before the vault is trusted",
            "last use  not looked at either",
        ]
    );
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
