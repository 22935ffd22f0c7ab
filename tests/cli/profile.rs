use crate::harness::{World, keys, sorted};
use crate::team::{ADMIN, add_member};

#[test]
fn profiles_are_added_once_and_listed() {
    let world = World::new();
    world.vault(["profile", "add", "base"]).ok().says("added profile base");
    world.vault(["profile", "add", "dev", "--extends", "base,default"]).ok();
    for command in ["list", "ls"] {
        world.vault(["profile", command]).ok().prints("base").prints("dev").prints("base, default");
    }
    let json = world.vault(["profile", "list", "--json"]).ok().json();
    assert_eq!(keys(&json[0]), sorted(&["name", "epoch", "extends", "secrets", "readers", "writers"]));
    assert_eq!(json[2]["extends"], serde_json::json!(["base", "default"]));
    let before = world.snapshot();
    world.vault(["profile", "add", "dev"]).fails_with(7, "never used again");
    world.vault(["profile", "add", "dev", "-n"]).fails_with(7, "never used again");
    world.vault(["profile", "add", "x", "-n"]).ok().says("would add");
    world.vault(["profile", "add", "x", "--extends", "nosuch"]).fails(3, "no profile nosuch", "there are: base");
    world.vault(["profile", "add", "Bad"]).fails_with(2, "lower-case");
    world.assert_unchanged(&before);
    world.vault(["profile", "add", "x", "-n", "--extends", "nosuch"]).fails_with(3, "no profile nosuch");
}

#[test]
fn each_profile_has_values_of_its_own() {
    let world = World::new();
    world.vault(["profile", "add", "prod"]).ok();
    world.set("K", "dev value");
    world.run(["-p", "prod", "set", "K", "-"]).stdin("prod value").output().ok();
    assert_eq!(world.value("K"), b"dev value");
    assert_eq!(world.run(["get", "K"]).env("VLT_PROFILE", "prod").output().ok().out(), "prod value");
    let both = world.run(["-p", "default", "get", "K"]).env("VLT_PROFILE", "prod");
    assert_eq!(both.output().ok().out(), "dev value", "the option wins");
}

#[test]
fn only_an_admin_adds_and_only_a_writer_writes() {
    let (alice, value) = World::with_secret("K");
    alice.vault(["profile", "add", "prod"]).ok();
    let bob = add_member(&alice, "bob", "read = [\"default\"]\n");
    let id = bob.id();
    bob.run(["trust"]).env("VLT_VAULT_ID", &id).output().ok();
    assert_eq!(bob.run(["get", "K"]).shows_values().output().ok().out(), value);
    let before = bob.bytes();
    bob.run(["set", "K", "-"]).stdin("x").output().fails(6, "may not write profile default", "ask an admin");
    bob.vault(["rm", "K"]).fails(6, "may not write", "ask an admin");
    bob.vault(["profile", "add", "x"]).fails(6, "no admin", "ask an admin");
    bob.vault(["-p", "prod", "exec", "--", "true"]).ok();
    alice.run(["-p", "prod", "set", "P", "-"]).stdin("x").output().ok();
    bob.put(alice.bytes());
    bob.vault(["-p", "prod", "get", "P"]).fails(4, "may not read profile prod", "ask an admin");
    bob.vault(["-p", "prod", "exec", "--", "true"]).fails(125, "may not read profile prod", "ask an admin");
    assert_ne!(bob.bytes(), before);
    let refused: Vec<_> = bob
        .records("bob-laptop")
        .into_iter()
        .filter(|r| r["outcome"] == "refused" || r["outcome"] == "failed")
        .collect();
    assert_eq!(refused.len(), 5, "{refused:#?}");
}

#[test]
fn a_parent_that_cannot_be_opened_is_an_error() {
    let (alice, _) = World::with_secret("K");
    alice.vault(["profile", "add", "dev", "--extends", "default"]).ok();
    let bob = add_member(&alice, "bob", "write = [\"dev\"]\n");
    bob.run(["trust"]).env("VLT_VAULT_ID", bob.id()).output().ok();
    bob.run(["-p", "dev", "set", "OWN", "-"]).stdin("v").output().ok();
    bob.vault(["-p", "dev", "exec", "--", "true"]).fails_with(125, "may not read profile default");
    bob.vault(["-p", "dev", "exec", "--only", "OWN", "--", "true"]).ok();
}

#[test]
fn a_second_admin_is_one() {
    let (alice, _) = World::with_secret("K");
    let bob = add_member(&alice, "bob", ADMIN);
    bob.run(["profile", "add", "x"]).env("VLT_VAULT_ID", bob.id()).output().ok();
}
