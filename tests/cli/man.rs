use std::process::Command;

use crate::harness::World;

#[test]
fn each_command_has_its_page_and_man_shows_it() {
    let world = World::bare();
    let directory = world.base().join("man/man1");
    world.vault(["man", directory.to_str().unwrap(), "-n"]).ok().says("would write");
    assert!(!directory.exists());
    world.vault(["man", directory.to_str().unwrap()]).ok().says("pages to");
    let pages: Vec<String> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for page in ["vault.1", "vault-exec.1", "vault-profile-set.1", "vault-audit-verify.1", "vault-edit.1"] {
        assert!(pages.iter().any(|found| found == page), "{page}: {pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("help") || page.contains("complete.")), "{pages:?}");
    let text = std::fs::read_to_string(directory.join("vault-get.1")).unwrap();
    assert!(text.contains(".TH vault-get 1") && text.contains("clear\\-after"), "{text}");
    // Once more over what is there.
    world.vault(["man", directory.to_str().unwrap(), "-q"]).ok().silent();
    let groff = Command::new("groff").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(groff || std::env::var("CI").is_err(), "groff is missing");
    if !groff {
        return;
    }
    for page in &pages {
        // As `man` does, and with every warning, as lintian does.
        let output = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(directory.join(page)).output();
        let output = output.unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{page}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let world = World::bare();
    world.vault(["man", "/proc/nowhere"]).fails_with(8, "cannot create /proc/nowhere");
    world.vault(["man"]).fails_with(2, "<DIR> is missing");
}
