//! `vault edit` with somebody at the keyboard.

use crate::edit::{editor, is_gone, place};
use crate::harness::{World, program};
use crate::terminal::{CTRL_C, CTRL_Z, Terminal};

fn edit(world: &World, script: &str) -> Terminal {
    Terminal::spawn(world.run(["edit"]).env("NO_COLOR", "1").env("EDITOR", editor(world, script)).command())
}

/// A script that does one thing the first time and another one the second time.
fn twice(world: &World, first: &str, second: &str) -> String {
    let flag = world.base().join("second");
    format!("if [ -e '{0}' ]; then {second}\nelse touch '{0}'; {first}\nfi", flag.display())
}

#[test]
fn a_line_that_cannot_be_read_opens_the_editor_again_with_the_reason_on_top() {
    let (world, value) = World::with_secret("A");
    let script = twice(
        &world,
        &format!("printf 'B=1\\n{value}broken\\n' >>\"$1\""),
        "head -n 1 \"$1\"; grep -v broken \"$1\" >\"$1.new\"; mv \"$1.new\" \"$1\"",
    );
    let mut terminal = edit(&world, &script);
    terminal.expect("vault: warning: nothing was changed: line 8: not a name; the editor opens again");
    terminal.expect("# vault: line 8: not a name");
    terminal.expect("edited profile default: added B");
    world.assert_hidden(&terminal.ends(0));
    assert_eq!((world.value("A"), world.value("B")), (value.into_bytes(), b"1".to_vec()));
    assert!(is_gone(&world));
}

#[test]
fn closing_it_as_it_is_gives_up() {
    let (world, _) = World::with_secret("A");
    let before = world.snapshot();
    let mut terminal = edit(&world, &twice(&world, "echo broken >>\"$1\"", "true"));
    terminal.expect("the editor opens again");
    terminal.expect("vault: error: nothing was changed: line 7: no `=`");
    terminal.ends(2);
    world.assert_unchanged(&before);
    assert!(is_gone(&world));
}

#[test]
fn two_values_of_one_name_are_put_to_the_person() {
    let (world, _) = World::with_secret("A");
    let meanwhile =
        format!("'{}' set A --generate; sed -i s/^A=.*/A=typed/ \"$1\"; echo NEW=1 >>\"$1\"", program().display());
    // Left as it is, nothing is overwritten.
    let mut terminal = edit(&world, &twice(&world, &meanwhile, "true"));
    terminal.expect("A was set by alice-laptop in the meantime; the editor opens again");
    terminal.expect("vault: error: nothing was changed: A was set by alice-laptop in the meantime");
    terminal.ends(7);
    let theirs = world.value("A");
    std::fs::remove_file(world.base().join("second")).unwrap();
    let settle = "sed -n '/^<<</,$p' \"$1\" | cut -c 1-7; sed -i '/^<<<<<<</d; /^=======/,$d' \"$1\"";
    let mut terminal = edit(&world, &twice(&world, &meanwhile, settle));
    for line in ["<<<<<<<", "A=typed", "=======", "A=", ">>>>>>>", "edited profile default: changed A; added NEW"] {
        terminal.expect(line);
    }
    terminal.ends(0);
    assert_eq!((world.value("A"), world.value("NEW")), (b"typed".to_vec(), b"1".to_vec()));
    assert_ne!(theirs, b"typed");
}

#[test]
fn an_interrupt_from_the_keyboard_leaves_nothing() {
    let (world, _) = World::with_secret("A");
    let before = world.snapshot();
    let mut terminal = edit(&world, "echo A=typed >\"$1\"; echo opened; exec sleep 60");
    terminal.expect("opened");
    assert!(!is_gone(&world));
    terminal.keys(CTRL_C);
    terminal.expect("vault: error: interrupted; nothing was changed");
    assert!(terminal.is_sane());
    terminal.ends(130);
    assert!(is_gone(&world));
    world.assert_unchanged(&before);
}

#[test]
fn it_can_be_stopped_resumed_and_resized() {
    let (world, _) = World::with_secret("A");
    let script = editor(&world, "echo opened; read answer; echo \"A=$answer\" >\"$1\"");
    let run = world.run(["--version"]).env("NO_COLOR", "1").env("EDITOR", script);
    let mut terminal = Terminal::shell(&run.command());
    terminal.line(&format!("'{}' edit", program().display()));
    terminal.expect("opened");
    terminal.keys(CTRL_Z);
    terminal.stopped();
    assert!(place(&world).exists());
    terminal.line("fg");
    terminal.job();
    terminal.resize(20, 5);
    terminal.line("typed");
    terminal.expect("edited profile\r\ndefault: changed A");
    terminal.prompt();
    terminal.line("exit");
    terminal.ends(0);
    assert_eq!(world.value("A"), b"typed");
    assert!(is_gone(&world));
}

#[test]
fn what_was_typed_survives_a_lock_that_is_held() {
    let (world, _) = World::with_secret("A");
    let lock = vault::store::Lock::acquire(&world.project, std::time::Duration::from_secs(1)).unwrap();
    let script = editor(&world, "echo A=typed >\"$1\"");
    let run = world.run(["edit", "--lock-timeout", "1s"]).env("NO_COLOR", "1").env("EDITOR", script);
    let mut terminal = Terminal::spawn(run.command());
    terminal.expect("nothing was changed: ");
    terminal.expect("Try again? Otherwise what was typed is lost [y/N] ");
    drop(lock);
    terminal.line("y");
    terminal.expect("edited profile default: changed A");
    terminal.ends(0);
    assert_eq!(world.value("A"), b"typed");
}
