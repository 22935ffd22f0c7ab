use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Output, Run, World, read, set_mode, wait_for, write};
use crate::team::add_member;

/// An editor: a script that gets the file as its last argument, in `$1`. Where it worked
/// is left in the file `where`.
pub(crate) fn editor(world: &World, script: &str) -> PathBuf {
    let path = world.base().join("editor");
    let seen = world.base().join("where");
    write(
        &path,
        format!("#!/bin/sh\nfor last; do :; done; set -- \"$last\"\necho \"$1\" >'{}'\n{script}\n", seen.display()),
    );
    set_mode(&path, 0o755);
    path
}

fn edit<'w>(world: &'w World, script: &str) -> Run<'w> {
    world.run(["edit"]).env("EDITOR", editor(world, script)).foreign_stderr()
}

/// The file that the editor had.
pub(crate) fn place(world: &World) -> PathBuf {
    PathBuf::from(String::from_utf8(read(&world.base().join("where"))).unwrap().trim_end())
}

pub(crate) fn is_gone(world: &World) -> bool {
    !place(world).parent().unwrap().exists()
}

fn sealed(world: &World, name: &str) -> String {
    let text = world.text();
    let section = text.split(&format!("secret.{name}]\n")).nth(1).unwrap();
    section.lines().find(|line| line.starts_with("value = ")).unwrap().to_owned()
}

fn actions(world: &World) -> Vec<String> {
    let records = world.records("alice-laptop");
    let edits = records.iter().filter(|record| record["action"].as_str().unwrap().starts_with("edit"));
    edits.map(|r| format!("{} {} {}", r["action"], r["outcome"], r["names"]).replace('"', "")).collect()
}

#[test]
fn only_what_changed_is_sealed_again_and_everything_is_on_record() {
    let (world, value) = World::with_secret("A");
    world.set("B", "two words");
    let (before_a, before_b) = (sealed(&world, "A"), sealed(&world, "B"));
    let new = world.secret();
    let look = world.base().join("look");
    let output = edit(
        &world,
        &format!(
            "d=$(dirname \"$1\"); stat -c %a \"$d\" \"$1\" >'{look}'; stat -f -c %T \"$1\" >>'{look}'\n\
             sed -i 's/two words/{}/; $a C={}' \"$1\"",
            new.replace('/', "\\/"),
            world.secret().replace('/', "\\/"),
            look = look.display()
        ),
    );
    output.output().ok().says("edited profile default: changed B; added C");
    assert_eq!(sealed(&world, "A"), before_a);
    assert_ne!(sealed(&world, "B"), before_b);
    assert_eq!((world.value("A"), world.value("B")), (value.into_bytes(), new.into_bytes()));
    let looked = String::from_utf8(read(&look)).unwrap();
    assert!(looked.starts_with("700\n600\n"), "{looked}");
    let memory = fs::read_to_string("/proc/mounts").unwrap().contains(" /dev/shm tmpfs ");
    assert!(!memory || looked.ends_with("tmpfs\n"), "{looked}");
    assert!(is_gone(&world));
    assert_eq!(actions(&world), ["edit done [A,B]", "edit-save intent [B,C]", "edit-save done [B,C]"]);
    world.vault(["verify"]).ok();
}

#[test]
fn a_file_that_was_not_changed_changes_nothing() {
    let (world, _) = World::with_secret("A");
    world.set("MULTI", "a\nb\r\nc'\"\\ $X `x` #\u{1b}");
    world.set("DER", b"\xff\x00");
    let before = world.snapshot();
    // Also one that is written again, with other line ends and remarks.
    for script in ["true", "touch \"$1\"", "echo '# done' >>\"$1\"", "cp \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\""] {
        edit(&world, script).output().ok().says("nothing changed");
        world.assert_unchanged(&before);
        assert!(is_gone(&world));
    }
    assert!(actions(&world).iter().all(|record| record == "edit done [A,DER,MULTI]"));
    edit(&world, "echo NEW=1 >>\"$1\"").args(["-n"]).output().ok().says("would edit profile default: added NEW");
    world.assert_unchanged(&before);
}

#[test]
fn editors_of_every_kind_work() {
    let (world, _) = World::with_secret("A");
    // Saves by renaming, leaves a swap file, a backup and a directory.
    let script = "printf 'A=renamed\\n' >\"$1~new\"; cp \"$1\" \"$1~\"; cp \"$1\" \"$(dirname \"$1\")/.x.swp\"\n\
                  mkdir \"$(dirname \"$1\")/undo\"; mv \"$1~new\" \"$1\"";
    edit(&world, script).output().ok().says("changed A");
    assert!(is_gone(&world));
    assert_eq!(world.value("A"), b"renamed");
    // A path with a space, with arguments, quoted for the shell as in git.
    let directory = world.base().join("my editors");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("code");
    write(&path, "#!/bin/sh\n[ \"$1 $2\" = '--wait -g' ] && echo A=waited >\"$3\"");
    set_mode(&path, 0o755);
    let line = format!("'{}' --wait -g", path.display());
    world.run(["edit"]).env("EDITOR", "false").env("VISUAL", line).output().ok().says("changed A");
    // One with a window of its own that was not told to wait.
    let path = world.base().join("code");
    write(&path, "#!/bin/sh\n");
    set_mode(&path, 0o755);
    world.run(["edit"]).env("EDITOR", path).output().ok().says("nothing changed").says("code --wait");
    // What Windows makes of it.
    world.set("MULTI", "a\nb");
    edit(&world, "printf \"A='x'\\r\\nMULTI='a\\r\\nb'\\r\\n\" >\"$1\"").output().ok().says("changed A\n");
    assert_eq!(world.value("A"), b"x");
}

/// Its history file would keep every line that was deleted or copied, values and all.
#[test]
fn vim_under_another_name_keeps_no_history() {
    let (world, _) = World::with_secret("A");
    let arguments = world.base().join("arguments");
    let vim = world.base().join("vim.basic");
    std::fs::rename(editor(&world, &format!("tr '\\0' '\\n' </proc/$$/cmdline >'{}'", arguments.display())), &vim)
        .unwrap();
    for name in ["vi", "editor"] {
        std::os::unix::fs::symlink(&vim, world.base().join(name)).unwrap();
        let path = format!("{}:{}", world.base().display(), std::env::var("PATH").unwrap());
        world.run(["edit"]).env("EDITOR", name).env("PATH", path).output().ok().says("nothing changed");
        let given = String::from_utf8(read(&arguments)).unwrap();
        assert!(given.contains("\n-i\nNONE\n"), "{name}: {given}");
    }
}

#[test]
fn an_editor_that_fails_or_is_missing_changes_nothing() {
    let (world, _) = World::with_secret("A");
    let before = world.snapshot();
    let run = |line: &str| world.run(["edit"]).env("EDITOR", line).foreign_stderr().output();
    run("no-such-editor").fails(2, "the editor was not found: no-such-editor", "EDITOR=nano");
    run("'/no such/editor' -w").exits(2).says("the editor was not found");
    world.run(["edit"]).env("PATH", "/nonexistent").output().fails(
        2,
        "neither VISUAL nor EDITOR is set",
        "EDITOR=nano",
    );
    // Nothing was opened for these.
    assert_eq!(actions(&world), ["edit done [A]"]);
    for (script, why) in [
        ("echo A=typed >\"$1\"; exit 3", "the editor failed: it ended with status 3"),
        // A shell in between says 143.
        ("echo A=typed >\"$1\"; kill -TERM $$", "the editor failed: it "),
        ("rm \"$1\"", "the editor failed: the file is gone"),
        ("rm \"$1\"; ln -s /etc/passwd \"$1\"", "is a symbolic link, not a regular file"),
    ] {
        let output = edit(&world, script).output().exits(8);
        assert!(output.error().contains(why), "{}", output.stderr);
        assert!(is_gone(&world));
    }
    world.assert_unchanged(&before);
}

#[test]
fn a_line_that_cannot_be_read_is_named_by_number_and_nothing_changes() {
    let (world, value) = World::with_secret("A");
    let before = world.snapshot();
    for (lines, why) in [
        (format!("A={value}\\n{value}\\n"), "nothing was changed: line 2: not a name"),
        (format!("A='{value}\\n"), "line 1: A: unterminated quote"),
        (format!("A={value}\\nA={value}\\nx\\n"), "line 1: A: set again on line 2, and 1 more"),
        ("A=\\n".to_owned(), "line 1: A is empty (`--allow-empty` takes it)"),
        ("LD_PRELOAD=x\\nB=1\\n".to_owned(), "line 1: LD_PRELOAD changes how programs load or run"),
    ] {
        let output = edit(&world, &format!("printf \"{lines}\" >\"$1\"")).output().exits(2);
        assert!(output.error().contains(why), "{}", output.stderr);
    }
    let gone = edit(&world, ": >\"$1\"").output();
    gone.fails(2, "every line of profile default is gone", "vault rm");
    world.assert_unchanged(&before);
    assert!(is_gone(&world));
    edit(&world, "printf 'A=\\nLD_PRELOAD=x\\n' >\"$1\"")
        .args(["--allow-empty", "--allow-name", "LD_PRELOAD"])
        .output()
        .ok()
        .says("changed A; added LD_PRELOAD");
    let record = world.records("alice-laptop").pop().unwrap();
    assert_eq!(record["overrides"], serde_json::json!(["allow-name:LD_PRELOAD"]));
}

#[test]
fn a_new_name_keeps_the_clock_and_the_leaks() {
    let (world, value) = World::with_secret("OLD");
    world.set_with("OLD", &value, &["--created", "2026-01-02", "--note", "kept"]);
    world.vault(["expose", "OLD", "--why", "in a chat"]).ok();
    let show = |name: &str| world.vault(["show", name, "--json"]).ok().json();
    let before = show("OLD");
    edit(&world, "sed -i s/^OLD=/NEW=/ \"$1\"").output().ok().says("renamed OLD to NEW");
    let after = show("NEW");
    for key in ["set_at", "exposed", "note", "version"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    world.vault(["get", "OLD"]).fails_with(3, "no secret OLD");
    // Taken out, and put back in with a value of its own: its leak stays on the list.
    edit(&world, "sed -i s/^NEW=.*/OTHER=x/ \"$1\"").output().ok().says("added OTHER; removed NEW");
    world.vault(["rotation"]).ok().prints("NEW");
}

#[test]
fn what_is_no_text_is_left_out_with_a_remark_and_never_lost() {
    let world = World::new();
    for (name, value) in [("DER", &b"\xff\xfe"[..]), ("NUL", b"a\0b"), ("TEXT", b"x")] {
        world.set(name, value);
    }
    let kept = world.base().join("kept");
    edit(&world, &format!("cp \"$1\" '{}'; echo TEXT=y >\"$1\"", kept.display())).output().ok().says("changed TEXT\n");
    let text = String::from_utf8(read(&kept)).unwrap();
    assert!(text.contains("left as they are: DER, NUL\n") && !text.contains("NUL="), "{text}");
    assert_eq!((world.value("DER"), world.value("NUL")), (b"\xff\xfe".to_vec(), b"a\0b".to_vec()));
    edit(&world, "printf 'DER=text\\nTEXT=y\\n' >\"$1\"").output().ok().says("changed DER\n");
    assert_eq!(world.value("DER"), b"text");
}

#[test]
fn what_others_changed_meanwhile_is_kept() {
    let (world, _) = World::with_secret("A");
    world.set("B", "b");
    let vault = crate::harness::program();
    // Another name: both are kept. The same name: nothing is changed, by nobody's hand.
    let meanwhile = |words: &str| format!("cd '{}'; {} {words}", world.project.display(), vault.display());
    let script = |line: &str| format!("{}\nsed -i s/^A=.*/A=typed/ \"$1\"", meanwhile(line));
    edit(&world, &script("set C --generate")).output().ok().says("changed A\n");
    assert_eq!(world.value("C").len(), 32);
    edit(&world, &script("set B --generate")).output().ok().says("nothing changed");
    let other = |line: &str| edit(&world, &format!("{}\nprintf 'A=again\\nB=x\\nC=x\\n' >\"$1\"", meanwhile(line)));
    let output = other("set B --generate").output();
    output.fails(7, "nothing was changed: B was set by alice-laptop in the meantime", "vault edit");
    other("rm B").output().fails(7, "nothing was changed: B was removed in the meantime", "vault edit");
    assert_eq!(world.value("A"), b"typed");
    assert_eq!(actions(&world).last().unwrap(), "edit-save failed [A,B,C]");
    assert!(is_gone(&world));
}

#[test]
fn another_vault_that_took_the_place_meanwhile_gets_nothing() {
    let (world, _) = World::with_secret("A");
    let (other, _) = World::with_secret("A");
    let (file, theirs) = (world.project.join("vault.toml"), other.project.join("vault.toml"));
    let script = format!("cp '{}' '{}'; echo 'A=\"new\"' >\"$1\"", theirs.display(), file.display());
    edit(&world, &script).output().fails_with(5, "is another vault than");
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&theirs).unwrap());
}

#[test]
fn who_may_not_write_is_told_before_anything_is_opened() {
    let (alice, _) = World::with_secret("A");
    let bob = add_member(&alice, "bob", "read = [\"default\"]\n");
    let output = bob.run(["edit"]).env("EDITOR", "true").env("VLT_VAULT_ID", bob.id()).output();
    output.fails(6, "bob-laptop may not write", "ask an admin");
    let records = bob.records("bob-laptop");
    assert_eq!(
        (&records.last().unwrap()["action"], &records.last().unwrap()["outcome"]),
        (&"edit".into(), &"refused".into())
    );
    assert!(!records.iter().any(|record| record["action"] == "edit" && record["outcome"] == "done"));
}

#[test]
fn the_editor_gets_no_credentials() {
    let (world, _) = World::with_secret("A");
    let kept = world.base().join("kept");
    let script = format!("env >'{}'; ls /proc/self/fd >>'{0}'", kept.display());
    edit(&world, &script).env("VLT_IDENTITY_FILE", world.identity_file()).env("VLT_PROFILE", "default").output().ok();
    let text = String::from_utf8(read(&kept)).unwrap();
    assert!(!text.contains("VLT_IDENTITY") && text.contains("VLT_PROFILE=default"), "{text}");
}

#[test]
fn nothing_is_left_by_a_vault_that_is_killed() {
    let (world, _) = World::with_secret("A");
    let before = world.snapshot();
    for signal in ["KILL", "TERM", "HUP", "INT"] {
        let _ = fs::remove_file(world.base().join("where"));
        let mut run =
            edit(&world, &format!("echo A=typed >\"$1\"; kill -{signal} $PPID; exec sleep 5 >/dev/null 2>&1"));
        if signal == "INT" {
            // That is for the editor; this process goes on.
            run = edit(&world, "echo A=typed >\"$1\"; kill -INT $PPID; kill -INT $$");
        }
        let child = run.spawn();
        let ended = child.wait_with_output();
        let status = ended.map(|output| output.status);
        assert!(status.is_ok_and(|status| !status.success()), "{signal}");
        wait_for(signal, || is_gone(&world));
        world.assert_unchanged(&before);
    }
}

#[test]
fn without_memory_it_says_that_the_text_is_on_disk() {
    let (world, _) = World::with_secret("A");
    let disk = world.base().join("disk");
    fs::create_dir(&disk).unwrap();
    set_mode(&disk, 0o1777);
    let script = editor(&world, "echo A=typed >\"$1\"");
    let shell = format!(
        "mount --bind '{}' /dev/shm && stat -f -c 'kind %T' /dev/shm && cd '{}' && HOME='{}' EDITOR='{}' '{}' edit",
        disk.display(),
        world.project.display(),
        world.home.display(),
        script.display(),
        crate::harness::program().display()
    );
    let mut command = std::process::Command::new("unshare");
    let output = command.args(["-m", "sh", "-c", &shell]).env_remove("XDG_RUNTIME_DIR").output().expect("unshare");
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !shown.contains("kind ") || shown.contains("tmpfs") {
        // scripts/test.sh lists what a system that may not mount leaves out.
        eprintln!("not run: {said}");
        return;
    }
    let state = world.state().join("edit");
    assert!(said.contains(&format!("the text is on disk in {}", state.display())), "{said}");
    assert!(said.contains("changed A") && place(&world).starts_with(&state) && is_gone(&world), "{said}");
    assert_eq!(world.value("A"), b"typed");
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_run() {
    let (world, _) = World::with_secret("A");
    let base = world.base().join("runtime");
    fs::create_dir(&base).unwrap();
    set_mode(&base, 0o700);
    let left = world.state().join("edit/vault-edit-0123456789abcdef");
    fs::create_dir_all(&left).unwrap();
    set_mode(&left, 0o700);
    write(&left.join("default.env"), "A=left\n");
    edit(&world, "true").env("XDG_RUNTIME_DIR", Path::new(&base)).output().ok();
    assert!(!left.exists());
}

#[test]
fn a_profile_without_secrets_can_be_filled() {
    let world = World::new();
    let output: Output = edit(&world, "printf 'A=1\\nSTRIPE_SECRET_KEY=x\\n' >>\"$1\"").output().ok();
    assert_eq!(output.warnings().len(), 1, "{}", output.stderr);
    assert_eq!(world.value("A"), b"1");
    world.vault(["profile", "add", "dev", "--extends", "default"]).ok();
    let kept = world.base().join("kept");
    let dev = edit(&world, &format!("cp \"$1\" '{}'; echo A=2 >>\"$1\"", kept.display())).args(["-p", "dev"]);
    dev.output().ok().says("edited profile dev: added A");
    let text = String::from_utf8(read(&kept)).unwrap();
    assert!(text.contains("takes over from default is not shown") && !text.contains("STRIPE"), "{text}");
    assert_eq!(world.value("A"), b"1");
}
