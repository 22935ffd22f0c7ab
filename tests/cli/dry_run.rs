//! `--dry-run`, everywhere: what is only tried changes nothing, and is refused as if it were meant.

use crate::habits::{commands, help};
use crate::harness::{World, read};
use crate::team::{ADMIN, add_member};

/// Commands that change nothing of a vault or of this machine's files, or that only
/// stand between others: agents and drivers, whose caller decides.
const CHANGES_NOTHING: &[&str] = &[
    "status",
    "which",
    "get",
    "list",
    "show",
    "exec",
    "export",
    "history",
    "verify",
    "doctor",
    "completions",
    "rotation",
    "member list",
    "member log",
    "profile list",
    "git diff",
    "git merge",
    "audit",
    "audit stats",
    "audit verify",
    "audit export",
    "audit checkpoint",
    "identity show",
    "identity where",
    "schedule status",
    "schedule run",
    "unlock",
    "lock",
];

/// What is run with `-n`, in a vault with the secrets A and B and the member bob.
const DRY: &[&[&str]] = &[
    &["set", "A", "--generate"],
    &["set", "NEW", "--generate"],
    &["set", "A", "--note", "x"],
    &["rm", "A", "B"],
    &["mv", "A", "C"],
    &["cp", "A", "--to", "spare"],
    &["import", "plain.env"],
    &["restore", "A", "--version", "1"],
    &["expose", "A", "--why", "x"],
    &["rotate", "A", "--generate"],
    &["profile", "add", "more"],
    &["profile", "set", "default", "--rotate-every", "30d"],
    &["profile", "set", "spare", "--extends", "default"],
    &["profile", "rm", "spare"],
    &["profile", "rekey"],
    &["member", "grant", "bob", "--read", "default"],
    &["member", "revoke", "bob", "--admin"],
    &["member", "remove", "bob"],
    &["recovery", "new", "--recovery-file", "code"],
    &["config", "rollback", "refuse"],
    &["trust"],
    &["join"],
    &["init", "--vault", "new.toml", "--no-recovery"],
    &["schedule", "install", "--with", "cron"],
    &["schedule", "uninstall"],
    &["remind"],
    &["man", "pages"],
    &["member", "add", "eve", "--new-identity", "--read", "default"],
    &["identity", "new", "--identity-file", "other"],
    &["identity", "move", "file:~/elsewhere"],
    &["identity", "seal", "--passphrase-file", "words"],
    &["identity", "rotate"],
    &["recover", "--device", "second", "--code-file", "code-of-before", "--recovery-file", "code"],
    &["edit"],
];

/// Needs more than such a vault, and is tried where that is: `git` by `merge_git` and `doctor`.
const DRY_ELSEWHERE: &[&str] = &["member approve", "audit begin", "git install", "git resolve", "git repair"];

#[test]
fn whatever_changes_something_can_be_tried_first() {
    let (world, _) = World::with_secret("A");
    world.set("A", "second");
    world.set("B", "x");
    world.vault(["profile", "add", "spare"]).ok();
    crate::harness::write(&world.project.join("plain.env"), "FROM_ENV=1\n");
    for command in commands(&world, "").iter().filter(|command| !CHANGES_NOTHING.contains(&command.as_str())) {
        let text = help(&world, command);
        assert!(text.contains("-n, --dry-run") || text.contains("-n, --print"), "{command} has no --dry-run");
        let words: Vec<&str> = command.split(' ').collect();
        let is_tried = DRY.iter().any(|tried| tried.starts_with(&words));
        assert!(is_tried || DRY_ELSEWHERE.contains(&command.as_str()), "{command} is not tried with -n");
    }
    world.vault(["recovery", "new", "--recovery-file", "code-of-before"]).ok();
    let editor = crate::edit::editor(&world, "echo MORE=1 >>\"$1\"");
    add_member(&world, "bob", ADMIN);
    let carol = world.clone_for("carol");
    let request = carol.run(["join"]).env("VLT_VAULT_ID", world.id()).output().ok().out();
    // Remembers what is new in every profile.
    world.vault(["rotation"]).ok();
    world.vault(["doctor"]);
    let before = world.snapshot();
    for words in DRY.iter().chain(&[&["member", "approve", request.trim(), "--read", "default"][..]]) {
        let output = world.run(words.iter().chain(&["-n"])).env("EDITOR", &editor).foreign_stderr().output();
        assert_eq!(output.status, 0, "{words:?}: {}", output.stderr);
        world.assert_unchanged(&before);
        let said = output.stderr.contains("would ") || words[0] == "schedule" || words[0] == "remind";
        assert!(said || words[0] == "trust" || output.stderr.contains("already"), "{words:?}: {}", output.stderr);
    }
    // What was only tried is not on record as a change.
    let changes = ["intent", "done"].map(|outcome| {
        world.records("alice-laptop").iter().filter(|r| r["action"] == "rm" && r["outcome"] == outcome).count()
    });
    assert_eq!(changes, [0, 0]);
    // A log that was cut stays as it is.
    let log = read(&world.log_file("alice-laptop"));
    crate::harness::write(&world.log_file("alice-laptop"), &log[..log.len() - 9]);
    world.vault(["audit", "begin", "--reason", "x", "-n"]).ok().says("would begin a new log");
    assert_eq!(read(&world.log_file("alice-laptop")), &log[..log.len() - 9]);
    let logs = std::fs::read_dir(world.audit_directory()).unwrap();
    assert_eq!(
        logs.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "jsonl")).count(),
        1
    );
}

/// Runs it as it is and with `-n`: the same refusal, in the same words, and nothing changes.
#[track_caller]
fn both_refused(world: &World, words: &[&str]) {
    // What it learns on the way it learns now.
    world.run(words.iter().chain(&["-n"])).output();
    let before = world.snapshot();
    let tried = world.run(words.iter().chain(&["-n"])).output();
    world.assert_unchanged(&before);
    let real = world.run(words).output();
    assert_eq!((tried.status, &tried.stderr), (real.status, &real.stderr), "{words:?}");
    assert!(![0, 125].contains(&tried.status), "{words:?}: {}", tried.stderr);
    world.assert_unchanged(&before);
}

#[test]
fn what_is_only_tried_is_refused_as_if_it_were_meant() {
    let (world, _) = World::with_secret("A");
    world.set("B", "x");
    world.set("A", "second");
    world.vault(["profile", "add", "spare"]).ok();
    world.set_with("A", "there", &["-p", "spare"]);
    let bob = add_member(&world, "bob", "read = [\"default\", \"spare\"]\n");
    crate::harness::write(&bob.project.join("plain.env"), "FROM_ENV=1\n");
    // A reader, to whom nothing is left but reading.
    bob.run(["trust"]).env("VLT_VAULT_ID", bob.id()).output();
    bob.run(["verify"]).env("VLT_VAULT_ID", bob.id()).output().ok();
    bob.vault(["verify"]).ok();
    let local = [
        "git", "config", "trust", "join", "init", "schedule", "remind", "man", "cp", "recovery", "recover", "identity",
    ];
    let more: [&[&str]; 4] = [
        &["cp", "B", "--to", "spare"],
        &["recovery", "new", "--recovery-file", "code"],
        &["rotate", "A", "--revoked"],
        &["profile", "rm", "spare", "--force"],
    ];
    for words in DRY.iter().filter(|words| !local.contains(&words[0])).chain(&more) {
        both_refused(&bob, words);
    }
    // An admin, in ways that no right helps with.
    world.vault(["verify"]).ok();
    for words in [
        &["rm", "NOSUCH"][..],
        &["mv", "A", "B"],
        &["cp", "A", "--to", "spare"],
        &["cp", "A", "--to", "nosuch"],
        &["set", "PATH", "--generate"],
        &["set", "A", "--created", "2999-01-01", "--generate"],
        &["restore", "A", "--version", "9"],
        &["expose", "NOSUCH", "--why", "x"],
        &["expose", "A", "--acknowledge"],
        &["rotate", "A", "--resume"],
        &["rotate", "A", "--abort"],
        &["rotate", "B", "--revoked"],
        &["profile", "add", "spare"],
        &["profile", "add", "new", "--extends", "nosuch"],
        &["profile", "set", "spare", "--extends", "spare"],
        &["profile", "rm", "spare"],
        &["profile", "rekey", "nosuch"],
        &["member", "add", "bob", "--new-identity"],
        &["member", "add", "eve", "--new-identity", "--device", "bob-laptop"],
        &["member", "grant", "bob", "--read", "nosuch"],
        &["member", "grant", "nosuch", "--read", "default"],
        &["member", "revoke", "alice", "--admin"],
        &["member", "revoke", "alice", "--read", "default"],
        &["member", "remove", "alice"],
        &["member", "remove", "bob", "--device", "alice-laptop"],
        &["member", "approve", "vlt-join1nonsense"],
        &["recovery", "new"],
        &["identity", "seal"],
        &["identity", "rotate", "--device", "bob-laptop"],
        &["config", "nosuch", "x"],
        &["init"],
        &["import", "nosuch.env"],
    ] {
        both_refused(&world, words);
    }
    // A file that is older than what was seen here, and a lock that somebody holds.
    let older = world.bytes();
    world.set("B", "newer");
    world.put(&older);
    world.vault(["list"]).ok();
    both_refused(&world, &["rm", "A"]);
    both_refused(&world, &["profile", "add", "more"]);
}
