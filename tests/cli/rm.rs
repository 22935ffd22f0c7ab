use crate::harness::{World, git, write};

#[test]
fn removes_and_has_an_alias() {
    let world = World::new();
    for (n, command) in ["rm", "remove"].into_iter().enumerate() {
        world.set("A", "1");
        world.set("B", "2");
        world.set("C", "3");
        world.vault([command, "A", "B"]).ok().says("A, B").says("git history");
        world.vault(["get", "A"]).exits(3);
        assert_eq!(world.value("C"), b"3", "round {n}");
    }
}

#[test]
fn a_dry_run_and_a_missing_name_change_nothing() {
    let (world, _) = World::with_secret("A");
    let before = world.snapshot();
    world.vault(["rm", "-n", "A"]).ok().says("would remove A");
    world.vault(["rm", "--dry-run", "A"]).ok();
    world.vault(["rm", "A", "B"]).fails_with(3, "no secret B");
    world.vault(["rm", "-n", "B"]).fails_with(3, "no secret B");
    world.vault(["rm"]).fails_with(2, "<NAMES>... is missing");
    world.assert_unchanged(&before);
}

#[test]
fn an_exposed_secret_stays_on_the_worklist_and_versions_go_on() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    write(&world.project.join(".env"), "K=v\n");
    git(&world.project, &["add", "-f", ".env"]);
    world.vault(["import"]).ok();
    world.vault(["rm", "K"]).ok();
    assert!(world.text().contains("[profile.default.removed.K]"));
    world.set("K", "new");
    assert_eq!(world.vault(["show", "K", "--json"]).ok().json()["version"], 2);
}

#[test]
fn only_the_profile_itself_is_changed() {
    let (world, _) = World::with_secret("BASE");
    world.vault(["profile", "add", "dev", "--extends", "default"]).ok();
    world.vault(["-p", "dev", "rm", "BASE"]).fails_with(3, "no secret BASE in profile dev");
    let to = ["--why", "lost"];
    for command in [
        &["rm", "BASE"][..],
        &["mv", "BASE", "NEW"],
        &["restore", "BASE", "--version", "1"],
        &["expose", "BASE", to[0], to[1]],
    ] {
        let ran = world.vault([&["-p", "dev"][..], command].concat());
        ran.fails_with(3, "it is one of default, which that extends").says("hint: pass `-p default`");
    }
    world.vault(["-p", "dev", "cp", "BASE", "--to", "dev"]).fails_with(3, "it is one of default");
    world.vault(["-p", "dev", "rm", "NEITHER"]).fails_with(3, "no secret NEITHER in profile dev");
    world.vault(["list"]).ok().prints("BASE");
}

#[test]
fn a_name_given_twice_is_told_once() {
    let (world, _) = World::with_secret("A");
    world.vault(["rm", "A", "A"]).ok().says("removed A from");
}
