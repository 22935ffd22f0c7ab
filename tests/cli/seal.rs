//! Codes, words and passphrases on a terminal: shown once, asked for hidden.

use rustix::process::Signal;

use crate::harness::{World, read, write_private};
use crate::terminal::{CTRL_C, CTRL_Z, Terminal};

/// `vault` on a terminal, without colours.
fn terminal<const N: usize>(world: &World, words: [&str; N]) -> Terminal {
    Terminal::spawn(world.run(words).env("NO_COLOR", "1").command())
}

/// A vault of alice's with one secret, founded on a terminal; gives the recovery code.
fn founded() -> (World, String, String) {
    let world = World::bare();
    let mut screen = terminal(&world, ["init", "--device", "alice-laptop"]);
    screen.expect("recovery code: ");
    let code = screen.expect("\r\n");
    screen.expect("it is not shown again");
    let shown = screen.ends(0);
    assert_eq!(shown.matches(&code).count(), 1, "{shown}");
    assert_eq!(code.len(), 39, "{code}");
    world.forbid(&code);
    let value = world.secret();
    world.set("KEY", &value);
    (world, code, value)
}

/// A machine with nothing but a clone.
fn machine(world: &World) -> World {
    let machine = world.clone_for("phoenix");
    assert!(!machine.identity_file().exists());
    machine
}

/// Confirms the fingerprint that is shown, which has to be this one.
fn confirm(screen: &mut Terminal, id: &str) {
    screen.expect(&format!("its fingerprint is {id}"));
    screen.answer("Is it the same? [y/N] ", "y");
}

#[test]
fn a_place_is_trusted_only_by_a_yes() {
    let (world, _, _) = founded();
    let machine = machine(&world);
    let before = machine.snapshot();
    for answer in ["", "n", "what"] {
        let mut screen = terminal(&machine, ["list"]);
        screen.answer("Is it the same? [y/N] ", answer);
        screen.expect("vault: error: ");
        screen.ends(5);
    }
    let mut screen = terminal(&machine, ["list"]);
    screen.expect("Is it the same? [y/N] ");
    screen.keys(CTRL_C);
    screen.ends(128 + Signal::INT.as_raw());
    machine.assert_unchanged(&before);
    let mut screen = terminal(&machine, ["list"]);
    confirm(&mut screen, &world.id());
    screen.expect("KEY");
    screen.ends(0);
    assert!(!terminal(&machine, ["list"]).ends(0).contains("fingerprint"));
}

#[test]
fn the_code_brings_a_machine_with_nothing_back_and_is_replaced() {
    let (world, code, value) = founded();
    let machine = machine(&world);
    let bytes = machine.bytes();
    let words = ["recover", "--device", "alice-new"];
    // A group that is mistyped, one that is missing, and another vault's code.
    let (first, rest) = code.split_at(4);
    // The letter beside the fourth one differs in what is checked, and in nothing that is.
    let letters = b"abcdefghijklmnopqrstuvwxyz234567";
    let at = letters.iter().position(|letter| *letter == first.as_bytes()[3].to_ascii_lowercase()).unwrap();
    let mistyped = format!("{}{}{rest}", &first[..3], char::from(letters[at ^ 1]));
    let mut screen = terminal(&machine, words);
    confirm(&mut screen, &world.id());
    screen.answer_hidden("Recovery code: ", &code[..34]);
    screen.expect("vault: error: a recovery code is 8 groups of 4 characters");
    assert!(screen.is_sane());
    screen.ends(4);
    let mut screen = terminal(&machine, words);
    screen.answer_hidden("Recovery code: ", &mistyped);
    screen.expect("group 1 of the recovery code is mistyped");
    screen.expect("vault: hint: type it as it was shown: eight groups of four");
    machine.assert_hidden(&screen.ends(4));
    let other = vault::identity::RecoveryCode::generate().unwrap().as_passphrase();
    let mut screen = terminal(&machine, words);
    screen.answer_hidden("Recovery code: ", std::str::from_utf8(other.reveal()).unwrap());
    screen.expect("vault: error: ");
    screen.expect("vault: hint: ");
    screen.ends(4);
    // Given up.
    let mut screen = terminal(&machine, words);
    screen.expect("Recovery code: ");
    screen.keys(&format!("{}{CTRL_C}", &code[..10]));
    machine.assert_hidden(&screen.ends(128 + Signal::INT.as_raw()));
    assert_eq!(machine.bytes(), bytes);
    assert!(!machine.identity_file().exists(), "no identity is made for a code that opens nothing");

    let mut screen = terminal(&machine, words);
    screen.answer_hidden("Recovery code: ", &code.to_uppercase().replace('-', " "));
    screen.expect("alice-new is a device of alice now; the old recovery code is worth nothing");
    screen.expect("recovery code: ");
    let new = screen.expect("\r\n");
    machine.assert_hidden(&screen.ends(0));
    assert_ne!(new, code);
    assert_eq!(machine.value("KEY"), value.as_bytes());
    let mut screen = terminal(&machine, ["member", "remove", "alice", "--device", "alice-laptop"]);
    screen.expect("recovery code: ");
    let newest = screen.expect("\r\n");
    machine.assert_hidden(&screen.ends(0));

    // The codes of before are worth nothing, the newest one does it again.
    let next = world.clone_for("next");
    std::fs::copy(machine.vault_file(), next.vault_file()).unwrap();
    let mut screen = terminal(&next, ["recover", "--device", "alice-next"]);
    confirm(&mut screen, &world.id());
    screen.answer_hidden("Recovery code: ", &code);
    screen.expect("vault: error: ");
    screen.ends(4);
    for (code, status) in [(&new, 4), (&newest, 0)] {
        let mut screen = terminal(&next, ["recover", "--device", "alice-next"]);
        screen.answer_hidden("Recovery code: ", code);
        screen.ends(status);
    }
    assert_eq!(next.value("KEY"), value.as_bytes());
}

#[test]
fn six_words_are_shown_once_and_open_the_vault_on_a_machine_with_nothing() {
    let (world, _, value) = founded();
    let mut screen = terminal(&world, ["identity", "seal"]);
    screen.expect("six words: ");
    let words = screen.expect("\r\n");
    assert_eq!(words.split(' ').count(), 6, "{words}");
    assert_eq!(screen.ends(0).matches(&words).count(), 1);
    world.forbid(&words);

    let machine = machine(&world);
    let question = "Passphrase for the sealed identity of alice-laptop: ";
    let mut screen = terminal(&machine, ["get", "KEY"]);
    confirm(&mut screen, &world.id());
    screen.answer_hidden(question, &words);
    screen.expect(&value);
    screen.ends(0);
    // A word with a letter too many: which one, and what it may have been.
    let (first, rest) = words.split_once(' ').unwrap();
    let mut screen = terminal(&machine, ["get", "KEY"]);
    screen.answer_hidden(question, &format!("{first}q {rest}"));
    screen.expect("vault: error: word 1 of the passphrase is not on the list; near it is `");
    let shown = screen.ends(4);
    assert!(!shown.contains(&words) && !shown.contains(rest) && !shown.contains(&value), "{shown}");
    let mut screen = terminal(&machine, ["get", "KEY"]);
    screen.answer_hidden(question, rest);
    screen.expect("six words, not 5");
    screen.ends(4);
    // Every word is one, in another order.
    let (second, others) = rest.split_once(' ').unwrap();
    let mut screen = terminal(&machine, ["get", "KEY"]);
    screen.answer_hidden(question, &format!("{second} {first} {others}"));
    screen.expect("wrong passphrase, or damaged");
    screen.expect("vault: hint: type all six words, in the order in which they were shown");
    screen.ends(4);
    // Given up, stopped, and resumed.
    let mut screen = terminal(&machine, ["exec", "--", "true"]);
    screen.expect(question);
    screen.keys(CTRL_C);
    screen.ends(128 + Signal::INT.as_raw());
    let run = machine.run(["get", "KEY"]).env("NO_COLOR", "1");
    let mut shell = Terminal::shell(&run.command());
    shell.line(&format!("'{}' exec -- sh -c 'echo \"got $KEY\"'", crate::harness::program().display()));
    shell.expect(question);
    shell.keys(&format!("half{CTRL_Z}"));
    shell.stopped();
    assert!(shell.is_sane());
    shell.line("fg");
    shell.answer_hidden(question, &words);
    shell.expect(&format!("got {value}"));
    shell.prompt();
    shell.line("exit");
    let shown = shell.ends(0);
    assert!(!shown.contains(&words), "{shown}");
}

#[test]
fn a_sealed_identity_is_replaced_by_a_sealed_one() {
    let world = World::bare();
    let (old, new) = ("correct horse battery", "staple it again");
    let mut screen = terminal(&world, ["init", "--device", "alice-laptop", "--passphrase", "--no-recovery"]);
    screen.answer_hidden("Passphrase for the new identity: ", old);
    screen.answer_hidden("Passphrase for the new identity, again: ", old);
    screen.ends(0);
    let before = read(&world.identity_file());
    let mut screen = terminal(&world, ["identity", "rotate"]);
    screen.answer_hidden("identity: ", old);
    screen.answer_hidden("Passphrase for the new identity: ", new);
    screen.answer_hidden("Passphrase for the new identity, again: ", "something else");
    screen.expect("the two are not the same");
    screen.ends(2);
    assert_eq!(read(&world.identity_file()), before);
    assert!(!world.identity_file().with_file_name("identity.next").exists());

    let mut screen = terminal(&world, ["identity", "rotate", "--leaked"]);
    screen.answer_hidden("identity: ", old);
    screen.answer_hidden("Passphrase for the new identity: ", new);
    screen.answer_hidden("Passphrase for the new identity, again: ", new);
    screen.expect("alice-laptop-2 takes the place of alice-laptop");
    let shown = screen.ends(0);
    assert!(!shown.contains(old) && !shown.contains(new), "{shown}");
    assert!(read(&world.identity_file()).starts_with(b"# vault identity, sealed"));
    assert_eq!(read(&world.identity_file().with_file_name("identity.old")), before);
    let file = world.home.join("private/pass");
    for (passphrase, status) in [(new, 0), (old, 4)] {
        write_private(&file, passphrase);
        assert_eq!(world.run(["identity", "show", "--open"]).env("VLT_PASSPHRASE_FILE", &file).output().status, status);
    }
}

#[test]
fn an_identity_in_a_variable_is_not_replaced() {
    let world = World::new();
    let text = String::from_utf8(read(&world.identity_file())).unwrap();
    let before = world.snapshot();
    world.run(["identity", "rotate"]).env("VLT_IDENTITY", text).output().fails(
        2,
        "the identity is kept in VLT_IDENTITY",
        "--new-identity",
    );
    world.assert_unchanged(&before);
}

#[test]
fn other_vaults_of_the_same_identity_are_named_and_stay_open() {
    let (world, value) = World::with_secret("KEY");
    let other = world.project.join("other");
    std::fs::create_dir(&other).unwrap();
    let there = |words: &[&str]| world.run(words).within("other");
    there(&["init", "--device", "alice-laptop", "--no-recovery"]).output().ok();
    let second = world.secret();
    there(&["set", "OTHER", "-", "--raw"]).stdin(&second).output().ok();
    let path = other.join("vault.toml").display().to_string();
    world.vault(["identity", "rotate"]).ok().says(&format!("{path} still knows this machine as alice-laptop"));
    // Both open: one with the new identity, the other with the one that was kept.
    assert_eq!(world.value("KEY"), value.as_bytes());
    let get = || there(&["get", "OTHER"]).shows_values().output().ok().stdout;
    assert_eq!(get(), second.as_bytes());
    there(&["identity", "rotate"]).output().ok().says("takes the place").says_not("still knows");
    assert_eq!(get(), second.as_bytes());
    assert!(!world.identity_file().with_file_name("identity.old-2").exists(), "one new identity for both");
}

#[test]
fn every_seal_costs_what_it_has_to_and_damage_looks_like_a_wrong_passphrase() {
    let world = World::bare();
    let (pass, wrong) = (world.home.join("private/pass"), world.home.join("private/wrong"));
    write_private(&pass, "correct horse\n");
    write_private(&wrong, "correct horsf\n");
    let with = |words: &[&str], pass| world.run(words).env("VLT_PASSPHRASE_FILE", pass).output();
    with(&["init", "--device", "d", "--passphrase", "--recovery-file", "code"], &pass).ok();
    with(&["set", "K", "--generate"], &pass).ok();
    // What each command seals: a code, six words, a new code, a file in the place of a file.
    for words in [
        &["identity", "seal", "--passphrase-file", "words"][..],
        &["recovery", "new", "--recovery-file", "code-2"],
        &["identity", "rotate", "--recovery-file", "code-3"],
    ] {
        with(words, &pass).ok();
    }
    let text = world.text();
    assert_eq!((text.matches("m = 65536, t = 3, p = 4, ").count(), text.matches("{ m = ").count()), (4, 4), "{text}");
    for file in [world.identity_file(), world.identity_file().with_extension("old")] {
        let text = String::from_utf8(read(&file)).unwrap();
        assert!(text.contains("\nm = 65536\nt = 3\np = 4\n"), "{text}");
    }
    let refused = with(&["get", "K"], &wrong).exits(4);
    let good = String::from_utf8(read(&world.identity_file())).unwrap();
    let at = good.find("box = \"").unwrap() + "box = \"".len() + 20;
    let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    write_private(&world.identity_file(), format!("{}{other}{}", &good[..at], &good[at + 1..]));
    let damaged = with(&["get", "K"], &pass).exits(4);
    assert_eq!(damaged.stderr, refused.stderr);
    assert!(refused.stderr.contains("wrong passphrase, or damaged"), "{}", refused.stderr);
}
