use std::fs;

use crate::harness::{World, git, keys, program, set_mode, sorted, write};

fn check(world: &World, name: &str) -> serde_json::Value {
    let json = world.vault(["doctor", "--json"]).json();
    let checks = json["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}: {json}")).clone()
}

#[test]
fn a_healthy_place_is_ok() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    world.vault(["git", "install"]).ok();
    let before = world.snapshot();
    let output = world.vault(["doctor", "--json"]).ok().silent();
    let json = output.json();
    assert_eq!(keys(&json), sorted(&["ok", "checks"]));
    assert_eq!(json["ok"], true);
    for check in json["checks"].as_array().unwrap() {
        assert_eq!(keys(check), sorted(&["name", "status", "detail", "hint"]));
        assert_eq!(check["status"], "ok", "{check}");
    }
    world.vault(["doctor"]).ok().prints("alice-laptop of this vault").prints("trusted as");
    world.assert_unchanged(&before);
}

#[test]
fn what_is_wrong_is_named_and_is_status_1() {
    let world = World::bare();
    assert_eq!(check(&world, "vault")["status"], "problem");
    world.vault(["doctor"]).exits(1).prints("vault init");
    let world = World::new();
    world.put(world.text().replace('\n', "\r\n"));
    let vault = check(&world, "vault");
    assert!(
        vault["detail"].as_str().unwrap().contains("CRLF")
            && vault["hint"].as_str().unwrap().contains(".gitattributes")
    );
    world.vault(["doctor"]).exits(1);
    let (world, _) = World::with_secret("K");
    world.put(world.text().replace("version = 1", "version = 2"));
    let vault = check(&world, "vault");
    assert_eq!(vault["status"], "problem");
    assert!(vault["detail"].as_str().unwrap().contains("profile default: changed after it was signed"), "{vault}");
    let world = World::new();
    set_mode(&world.identity_file(), 0o644);
    let found = check(&world, "identity");
    assert_eq!(found["status"], "problem");
    assert!(found["detail"].as_str().unwrap().contains("open to other users (mode 0644)"), "{found}");
    assert!(found["hint"].as_str().unwrap().starts_with("chmod 600 "), "{found}");
    world.vault(["doctor"]).exits(1);
}

#[test]
fn what_git_lacks_to_merge_a_vault_is_named() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    let found = check(&world, "git");
    assert_eq!(found["status"], "warning");
    assert!(found["detail"].as_str().unwrap().contains("does not know how to merge"), "{found}");
    world.vault(["git", "install", "-n"]).ok().says("would set merge.vault and diff.vault in this clone");
    world.set("A", "1");
    assert_eq!(check(&world, "git")["status"], "ok");
    world.vault(["git", "install", "-n"]).ok().says("knows already");
    // The environment that it was installed in was thrown away; or this one is only a container's.
    let (gone, path) = ("'/gone/vault' git merge %O %A %B %P", "'vault' git merge %O %A %B %P");
    git(&world.project, &["config", "merge.vault.driver", gone]);
    let found = check(&world, "git");
    assert!(found["detail"].as_str().unwrap().contains("a program that is not here: /gone/vault"), "{found}");
    world.set("A", "2");
    assert_eq!(check(&world, "git")["status"], "warning", "nobody said that it is not used any more");
    world.vault(["git", "install"]).ok();
    assert_eq!(check(&world, "git")["status"], "ok");
    git(&world.project, &["config", "merge.vault.driver", path]);
    assert_eq!(check(&world, "git")["status"], "ok", "found on PATH");
    // Half of the line is not enough.
    write(&world.project.join(".gitattributes"), "vault.toml -text\n");
    assert_eq!(check(&world, "git")["status"], "warning");
}

#[test]
fn an_identity_or_a_code_that_git_would_take_along_is_named() {
    let world = World::bare();
    git(&world.project, &["init", "-q"]);
    let init = ["init", "--device", "alice-laptop", "--identity-file", "me.key", "--recovery-file", "code"];
    let output = world.vault(init).ok();
    output.says("git would take me.key along").says("git would take code along");
    let found = check(&world, "identity");
    assert_eq!(found["status"], "warning");
    assert!(found["detail"].as_str().unwrap().contains("me.key along"), "{found}");
    write(&world.project.join(".gitignore"), "me.key\n");
    assert_eq!(check(&world, "identity")["status"], "ok");
}

#[test]
fn who_was_removed_is_told_so() {
    let world = World::new();
    let bob = world.clone_for("bob");
    let request = bob.run(["join"]).env("VLT_VAULT_ID", bob.id()).output().ok().out();
    world.vault(["member", "approve", request.trim(), "--read", "default"]).ok();
    world.vault(["member", "remove", "bob"]).ok();
    bob.put(world.bytes());
    let found = check(&bob, "identity");
    assert_eq!(found["status"], "warning");
    assert!(found["hint"].as_str().unwrap().contains("no key and no name that left"), "{found}");
    bob.run(["status"]).env("VLT_VAULT_ID", bob.id()).output().ok().prints("which was removed");
}

#[test]
fn plaintext_that_git_would_take_along_is_named() {
    let world = World::new();
    let none = |world: &World| !world.vault(["doctor", "--json"]).json().to_string().contains("plaintext");
    write(&world.project.join(".env"), "A=1\n");
    assert!(none(&world), "no git, nothing that takes it along");
    git(&world.project, &["init", "-q"]);
    let found = check(&world, "plaintext");
    assert_eq!(
        (&found["status"], &found["detail"]),
        (&"warning".into(), &"git would take .env along, in the clear".into())
    );
    write(&world.project.join(".gitignore"), ".env\n");
    assert_eq!(check(&world, "plaintext")["status"], "ok");
    write(&world.project.join(".env.prod"), "A=1\n");
    write(&world.project.join(".env.test"), "A=1\n");
    assert_eq!(check(&world, "plaintext")["detail"], "git would take .env.prod, .env.test along, in the clear");
    fs::remove_file(world.project.join(".env.test")).unwrap();
    // Named by whoever can push, and quoted where it is to be typed.
    let odd = world.project.join(".env.a;touch pwned");
    write(&odd, "A=1\n");
    let hint = check(&world, "plaintext")["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("`vault import '.env.a;touch pwned'`"), "{hint}");
    fs::remove_file(odd).unwrap();
    git(&world.project, &["add", "--force", ".env"]);
    let found = check(&world, "plaintext");
    assert_eq!(found["detail"], "git has .env, in the clear");
    assert!(found["hint"].as_str().unwrap().contains("git rm --cached .env"), "{found}");
    world.vault(["doctor"]).ok();
    git(&world.project, &["rm", "-q", "--cached", ".env"]);
    for name in [".env", ".env.prod"] {
        fs::remove_file(world.project.join(name)).unwrap();
    }
    write(&world.project.join(".env.example"), "A=\n");
    assert!(none(&world), "an example belongs in git");
}

#[test]
fn another_vault_at_this_place_is_a_problem() {
    let (world, other) = (World::new(), World::new());
    world.put(other.bytes());
    assert_eq!(check(&world, "place")["status"], "problem");
    world.vault(["doctor"]).exits(1);
}

#[test]
fn warnings_are_no_failure() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    fs::remove_file(world.project.join(".gitattributes")).unwrap();
    assert_eq!(check(&world, "git")["status"], "warning");
    fs::remove_file(world.identity_file()).unwrap();
    assert_eq!(check(&world, "identity")["status"], "warning");
    set_mode(&world.state(), 0o777);
    assert_eq!(check(&world, "state")["status"], "warning");
    world.vault(["doctor"]).ok();
    let bob = world.clone_for("bob");
    let place = check(&bob, "place");
    assert_eq!(place["status"], "warning");
    assert!(place["hint"].as_str().unwrap().contains("vault trust"));
}

#[test]
fn another_program_of_this_name_is_found() {
    let world = World::new();
    let bin = world.home.join("bin");
    fs::create_dir(&bin).unwrap();
    write(&bin.join("vault"), "#!/bin/sh\n");
    set_mode(&bin.join("vault"), 0o755);
    let rest = std::env::var("PATH").unwrap();
    let path = format!("{}:{rest}", bin.display());
    let output = world.run(["doctor"]).env("PATH", &path).output().ok();
    let other = bin.join("vault");
    output.prints(&format!("`vault` is another program: {}", other.display())).prints("ln -s ");

    let own = world.home.join("own");
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::symlink(program(), own.join("vault")).unwrap();
    let output = world.run(["doctor"]).env("PATH", format!("{}:{path}", own.display())).output().ok();
    output.prints(&format!("`vault` is this program; {} comes after it", other.display()));
}
