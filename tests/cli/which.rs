use crate::harness::{World, keys, sorted};

#[test]
fn says_which_file_and_why() {
    let world = World::new();
    let path = world.vault_file().display().to_string();
    world.vault(["which"]).ok().prints(&path).prints("nearest").prints("trusted here").silent();
    std::fs::create_dir(world.project.join("sub")).unwrap();
    world.run(["which"]).within("sub").output().ok().prints(&path);
    world.vault(["which", "--vault", "vault.toml"]).ok().prints("named by --vault");
    world.run(["which"]).env("VLT_FILE", &path).output().ok().prints("named by VLT_FILE");
}

#[test]
fn the_option_wins_over_the_variable() {
    let world = World::new();
    let output = world.run(["--vault", "vault.toml", "which", "--json"]).env("VLT_FILE", "/nowhere").output().ok();
    assert_eq!(output.json()["found_by"], "option");
}

#[test]
fn json_has_its_keys() {
    let world = World::new();
    let output = world.vault(["-p", "dev", "which", "--json"]).ok();
    let json = output.json();
    assert_eq!(keys(&json), sorted(&["path", "found_by", "id", "trusted", "profile", "place", "clone"]));
    assert_eq!(json["id"], world.id());
    assert_eq!(json["trusted"], true);
    assert_eq!(json["profile"], "dev");
    let bob = world.clone_for("bob");
    assert_eq!(bob.vault(["which", "--json"]).ok().json()["trusted"], false);
}

#[test]
fn without_a_vault_it_says_where_it_looked() {
    let world = World::bare();
    world.vault(["which"]).fails(3, "no vault.toml found", "vault init");
    world.vault(["which", "--vault", "nowhere.toml"]).fails(3, "there is no vault at", "vault init");
}
