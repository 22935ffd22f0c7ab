use crate::harness::{World, git, write};

fn env(world: &World, text: &str) {
    write(&world.project.join(".env"), text);
}

#[test]
fn takes_over_a_dotenv_file() {
    let world = World::new();
    let value = world.secret();
    env(&world, &format!("# comment\nA={value}\nexport B=\"two\\nlines\"\nC=$raw\n"));
    world.vault(["import"]).ok().says("3 new").says("`$` was kept").says("delete the plaintext: rm .env");
    assert_eq!(world.value("A"), value.as_bytes());
    assert_eq!(world.value("B"), b"two\nlines");
    assert_eq!(world.value("C"), b"$raw");
    let json = world.vault(["list", "--json"]).ok().json();
    assert!(json.as_array().unwrap().iter().all(|entry| entry["age_at_least"] == true));
    assert!(world.project.join(".env").exists());
}

#[test]
fn what_is_skipped_is_told_and_is_status_1() {
    let world = World::new();
    env(&world, "A=1\nnot a line\nLD_PRELOAD=/x\nB=2\nA=3\n");
    let output = world.vault(["import"]).exits(1);
    assert_eq!(output.warnings().len(), 3, "{}", output.stderr);
    let output =
        output.says("line 2: ").says("line 3: skipped LD_PRELOAD").says("line 1: skipped A: set again on line 5");
    let output = output.says("imported into profile default: 2 new");
    let lines: Vec<&str> = output.warnings().iter().map(|warning| &warning[.."line 1".len()]).collect();
    assert_eq!(lines, ["line 1", "line 2", "line 3"]);
    // What was skipped would be lost with the file.
    output.says("skipped and is nowhere but in .env").says_not("delete the plaintext");
    assert_eq!(world.value("A"), b"3");
    world.vault(["import", "--allow-name", "LD_PRELOAD"]).exits(1).says("1 new, 2 as they were");
    let records = world.records("alice-laptop");
    let allowed = records.iter().filter(|r| r["action"] == "import" && r["overrides"][0] == "allow-name:LD_PRELOAD");
    assert_eq!(allowed.count(), 2, "the intent and how it ended");
}

#[test]
fn what_is_not_utf_8_is_taken_as_it_is_and_told() {
    let world = World::new();
    write(&world.project.join(".env"), b"A=fine\nB=caf\xe9\n");
    let output = world.vault(["import"]).ok().says("not UTF-8, and taken as it is: B;");
    assert_eq!(output.warnings().len(), 1, "{}", output.stderr);
    assert_eq!(world.value("B"), b"caf\xe9");
}

#[test]
fn json_and_standard_input_and_an_age() {
    let world = World::new();
    write(&world.project.join("in.json"), r#"{"A": "x", "N": 1, "T": true}"#);
    world.vault(["import", "in.json", "--created", "2026-01-02", "--rotate-every", "90d"]).ok();
    let json = world.vault(["show", "A", "--json"]).ok().json();
    assert_eq!(json["set_at"], "2026-01-02T00:00:00Z");
    assert_eq!(json["age_at_least"], false);
    assert_eq!(json["rotate_every"], "90d");
    world.run(["import", "-", "--format", "json"]).stdin(r#"{"B": "y"}"#).output().ok().says_not("rm -");
    world.run(["import", "-"]).stdin("C=z\n").output().ok();
    assert_eq!(world.value("C"), b"z");
    world.vault(["import", "in.json", "--created", "2999-01-01"]).fails_with(2, "in the future");
    world.run(["import", "-", "--format", "json"]).stdin("{").output().fails_with(2, "not valid JSON");
}

#[test]
fn of_a_file_that_is_something_else_not_every_line_is_told() {
    let world = World::new();
    let ran = world.run(["import", "-"]).stdin("a line of a log\n".repeat(1_000)).output();
    let told = ran.stderr.lines().filter(|line| line.contains(": skipped: ")).count();
    assert_eq!(told, 100);
    ran.exits(1).says("and 900 more lines like these");
}

#[test]
fn utf_16_is_named_and_nothing_is_taken_for_a_line() {
    let world = World::new();
    for (mark, unit) in [(&b"\xff\xfe"[..], u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xfe\xff", u16::to_be_bytes)] {
        let text = "KEY=value\r\n".encode_utf16().flat_map(unit).collect::<Vec<_>>();
        let before = world.snapshot();
        for format in ["dotenv", "json"] {
            let run = world.run(["import", "-", "--format", format]).stdin([mark, &text].concat());
            run.output().fails_with(2, "the text is UTF-16; only UTF-8 is read").says("iconv -f UTF-16");
        }
        world.assert_unchanged(&before);
    }
}

#[test]
fn a_second_import_of_the_same_changes_nothing() {
    let world = World::new();
    env(&world, "A=1\nB=2\n");
    world.vault(["import"]).ok();
    let before = world.snapshot();
    world.vault(["import"]).ok().says("0 new, 2 as they were");
    world.assert_unchanged(&before);
    env(&world, "A=1\nB=3\n");
    world.vault(["import"]).ok().says("0 new, 1 with a new value, 1 as they were");
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = World::new();
    env(&world, "A=1\nB=2\n");
    let before = world.snapshot();
    for flag in ["-n", "--dry-run"] {
        world.vault(["import", flag]).ok().says("would import into profile default: A, B");
    }
    world.assert_unchanged(&before);
    world.vault(["import", "nosuch"]).exits(8).says("does not exist");
    env(&world, "# nothing\n");
    world.vault(["import"]).ok().says("nothing to import");
}

#[test]
fn what_git_ever_tracked_is_exposed() {
    for committed in [false, true] {
        let world = World::new();
        git(&world.project, &["init", "-q"]);
        env(&world, "A=1\n");
        git(&world.project, &["add", "-f", ".env"]);
        if committed {
            git(&world.project, &["commit", "-q", "-m", "oops"]);
            git(&world.project, &["rm", "-q", "--cached", ".env"]);
            git(&world.project, &["commit", "-q", "-m", "gone"]);
        }
        let output = world.vault(["import"]).ok().says("git has tracked .env").says("rotate them");
        output.says_not("rm .env");
        assert_eq!(world.vault(["list", "--json"]).ok().json()[0]["state"], "exposed");
        world.set("A", "new");
        assert_eq!(world.vault(["list", "--json"]).ok().json()[0]["state"], "unmanaged");
    }
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    env(&world, "A=1\n");
    world.vault(["import"]).ok().says_not("git has tracked");
}

/// A directory of a clone that git takes for a repository, with a configuration that the
/// clone brought along: ordinary files to whoever pushed them.
#[test]
fn what_looks_like_a_bare_repository_in_a_clone_runs_nothing() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    let mark = world.base().join("was run");
    let hostile = world.project.join("hostile");
    for directory in ["refs/heads", "objects", "sub"] {
        std::fs::create_dir_all(hostile.join(directory)).unwrap();
    }
    write(&hostile.join("HEAD"), "ref: refs/heads/main\n");
    write(&hostile.join("refs/heads/main"), "1111111111111111111111111111111111111111\n");
    // The commit is missing, so git would fetch it, with the program that the configuration names.
    let config = "[core]\nrepositoryformatversion = 1\nbare = true\nsshCommand = \"touch 'MARK'; false\"\n\
                  [extensions]\npartialClone = origin\n[remote \"origin\"]\nurl = ssh://nowhere/x\npromisor = true\n";
    write(&hostile.join("config"), config.replace("MARK", mark.to_str().unwrap()));
    for (file, name) in [(".env", "A"), ("sub/.env", "B")] {
        write(&hostile.join(file), format!("{name}=1\n"));
        world.vault(["import", &format!("hostile/{file}")]).ok().says("1 new");
    }
    write(&hostile.join(".env"), "C=1\n");
    world.run(["import"]).within(&hostile).output().ok().says("1 new");
    assert!(!mark.exists(), "a program of the clone was run");
}

#[test]
fn a_link_and_a_pipe_are_read_and_what_to_delete_is_the_file_itself() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    std::fs::create_dir(world.home.join("kept")).unwrap();
    let kept = world.home.join("kept/it's all.env");
    write(&kept, "A=1\n");
    std::os::unix::fs::symlink(&kept, world.project.join(".env")).unwrap();
    let removal = format!("rm '{}'", kept.to_str().unwrap().replace('\'', "'\\''"));
    world.vault(["import"]).ok().says("1 new").says(&removal);
    write(&world.project.join("-x.env"), "B=2\n");
    world.vault(["import", "-x.env"]).ok().says("rm -- -x.env");
    world.run(["import", "/dev/stdin"]).stdin("C=3\n").output().ok().says("1 new").says_not("delete");
    world.run(["set", "D", "--from-file", "/dev/stdin"]).stdin("4\n").output().ok();
    world.vault(["set", "E", "--from-file", ".env"]).ok();
    for (name, value) in [("A", &b"1"[..]), ("B", b"2"), ("C", b"3"), ("D", b"4\n"), ("E", b"A=1\n")] {
        assert_eq!(world.value(name), value, "{name}");
    }
    std::os::unix::fs::symlink("nowhere", world.project.join("dangling")).unwrap();
    world.vault(["import", "dangling"]).fails_with(8, "dangling does not exist");
}

#[test]
fn a_link_to_a_file_that_git_tracks_leads_to_exposure() {
    let world = World::new();
    git(&world.project, &["init", "-q"]);
    write(&world.project.join("shared.env"), "A=1\n");
    git(&world.project, &["add", "-f", "shared.env"]);
    std::os::unix::fs::symlink("shared.env", world.project.join(".env")).unwrap();
    world.vault(["import"]).ok().says("git has tracked").says("shared.env");
    let json = world.vault(["list", "--json"]).ok().json();
    assert_eq!(json[0]["exposed"][0]["why"], "shared.env was in git");
}
