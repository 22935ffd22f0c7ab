//! Histories that go back, and histories that go on without somebody's write.

use crate::world::{Person, World, git};

/// alice is admin; bob and carol write dev, and all three saw the same.
fn team() -> (World, Person, Person, Person) {
    let (world, alice) = World::without_recovery();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.set("dev", "KEY", "canary-first");
    alice.push("dev");
    let bob = world.member(&alice, "bob", &["--write", "dev"]);
    let carol = world.member(&alice, "carol", &["--write", "dev"]);
    bob.pull();
    bob.value("dev", "KEY").ok();
    (world, alice, bob, carol)
}

#[test]
fn an_older_file_is_read_with_a_warning_and_not_written_on() {
    let (_world, alice, bob, _carol) = team();
    let old = alice.text();
    bob.set("dev", "KEY", "canary-second");
    bob.push("second");
    alice.pull();
    assert_eq!(alice.value("dev", "KEY").ok().stdout, "canary-second");
    alice.put(&old);
    let warning = "profile dev is older than seen before: writes of bob-laptop are missing";
    assert_eq!(alice.value("dev", "KEY").ok().says(warning).stdout, "canary-first");
    assert_eq!(alice.value("dev", "KEY").ok().stderr, "", "once for each head");
    for words in [&["-p", "dev", "set", "X", "-"][..], &["member", "add", "x", "--new-identity"], &["profile", "rekey"]]
    {
        alice.refused_with(words, "x", &[], 5, warning).says("pull or merge");
    }
    let verify = alice.vault(&["verify"]);
    assert!(verify.status == 1 && verify.stdout.contains("bob-laptop"), "{verify:?}");
    alice.vault(&["config", "rollback", "refuse"]).ok();
    alice.value("dev", "KEY").fails(5, warning);
}

#[test]
fn a_write_that_history_went_on_without_is_noticed() {
    let (_world, alice, bob, carol) = team();
    let base = git(&carol.clone, &["rev-parse", "HEAD"]).ok().stdout;
    carol.set("dev", "CAROLS", "canary-of-carol");
    carol.push("by carol");
    alice.pull();
    alice.value("dev", "CAROLS").ok();
    // bob never saw it, and somebody makes his history the only one.
    bob.set("dev", "BOBS", "canary-of-bob");
    git(&bob.clone, &["commit", "--quiet", "--all", "--message", "by bob"]).ok();
    assert_eq!(git(&bob.clone, &["rev-parse", "HEAD~1"]).ok().stdout, base);
    git(&bob.clone, &["push", "--quiet", "--force", "origin", "HEAD:main"]).ok();
    git(&alice.clone, &["fetch", "--quiet", "origin"]).ok();
    git(&alice.clone, &["reset", "--quiet", "--hard", "origin/main"]).ok();
    let warning = "profile dev lacks writes seen before, of carol-laptop: a branch, or a lost write";
    alice.value("dev", "BOBS").ok().says(warning);
    alice.refused_with(&["-p", "dev", "set", "X", "-"], "x", &[], 5, warning);
    let verify = alice.vault(&["verify"]);
    assert!(verify.status == 1 && verify.stdout.contains("carol-laptop"), "{verify:?}");
    // Who saw neither cannot know.
    bob.vault(&["verify"]).ok();
}

#[test]
fn a_team_log_beside_the_one_seen_is_refused() {
    let (_world, alice, bob, _carol) = team();
    alice.vault(&["member", "grant", "bob", "--admin"]).ok();
    alice.push("bob is admin");
    bob.pull();
    alice.vault(&["profile", "add", "by-alice"]).ok();
    bob.vault(&["profile", "add", "by-bob"]).ok();
    let (by_alice, by_bob) = (alice.text(), bob.text());
    for (person, other) in [(&alice, &by_bob), (&bob, &by_alice)] {
        person.put(other);
        let error = "the team log is another one than seen before";
        person.refused(&["-p", "dev", "get", "KEY"], 5, error).says("ask an admin");
        person.refused_with(&["-p", "dev", "set", "X", "-"], "x", &[], 5, error);
        assert_eq!(person.vault(&["verify"]).status, 1);
    }
}
