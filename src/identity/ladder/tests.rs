#![expect(clippy::disallowed_methods, reason = "tests prepare files")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[cfg(not(feature = "os-keyring"))]
use super::super::KeyringError;
use super::super::{PromptError, write_plain, write_sealed};
use super::*;
use crate::clock::Timestamp;
use crate::secret_value::SecretValue;

/// A machine with nothing on it; tests put things there.
struct Machine {
    dir: tempfile::TempDir,
    directories: Directories,
    variables: Vec<(&'static str, String)>,
    settings: Settings,
    slots: Vec<Slot>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let directories = Directories { config: at("config"), state: at("state"), home: Some(dir.path().into()) };
        Self { dir, directories, variables: Vec::new(), settings: Settings::default(), slots: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn plain(&self, name: &str) -> (PathBuf, Recipient) {
        let identity = IdentityKey::generate().unwrap();
        write_plain(&self.path(name), &identity, Timestamp::parse("2026-11-22").unwrap()).unwrap();
        (self.path(name), identity.recipient())
    }

    fn sealed(&self, name: &str, text: &str) -> (PathBuf, Recipient) {
        let identity = IdentityKey::generate().unwrap();
        write_sealed(&self.path(name), &identity, &SecretValue::from(text.as_bytes())).unwrap();
        (self.path(name), identity.recipient())
    }

    fn slot(&mut self, device: &str, text: &str) -> Recipient {
        let identity = IdentityKey::generate().unwrap();
        let file = SealedFile::seal(&identity, &SecretValue::from(text.as_bytes())).unwrap();
        let SealedFile { recipient, signing_key, sealed } = file;
        self.slots.push(Slot { device: device.into(), recipient: recipient.clone(), signing_key, sealed });
        recipient
    }

    fn with<T>(&self, flag: Option<&Path>, device: Option<&str>, run: impl FnOnce(&Request<'_>) -> T) -> T {
        let variables =
            Variables::fixed(self.variables.iter().map(|(name, value)| (name.into(), value.clone().into())));
        run(&Request {
            flag,
            variables: &variables,
            directories: &self.directories,
            settings: &self.settings,
            agent: None,
            devices: None,
            slots: &self.slots,
            device,
        })
    }

    /// Searches without anybody to ask.
    fn find(&self, flag: Option<&Path>) -> Result<Found<IdentityKey>, Error> {
        self.with(flag, None, |request| find_in_hand(request, None))
    }

    fn find_with(&self, typed: &str) -> Result<Found<IdentityKey>, Error> {
        let mut prompt = |_: &str| Ok(SecretValue::from(typed.as_bytes()));
        self.with(None, None, |request| find_in_hand(request, Some(&mut prompt)))
    }
}

fn outcomes(steps: &[Step]) -> Vec<Outcome> {
    steps.iter().map(|step| step.outcome.clone()).collect()
}

const WORDS: &str = "abacus abide ability able abdomen abdominal";
const OTHER_WORDS: &str = "zoom zit zips zippy zipping zipfile";

#[test]
fn the_first_rung_that_has_one_wins() {
    let mut machine = Machine::new();
    machine.settings = Settings::load(&machine.directories).unwrap();
    let recovery = machine.slot("laptop", WORDS);
    assert_eq!(machine.find_with(WORDS).unwrap().identity.recipient(), recovery);

    let (default, in_default) = machine.plain("config/identity");
    let found = machine.find(None).unwrap();
    assert_eq!((found.source, found.origin), (Source::Configuration, Origin::File(default)));
    assert_eq!(found.identity.recipient(), in_default);

    let (configured, in_configured) = machine.plain("keys");
    machine.settings.set("identity", &format!("file:{}", configured.display())).unwrap();
    assert_eq!(machine.find(None).unwrap().identity.recipient(), in_configured);

    let text = IdentityKey::generate().unwrap();
    let key = String::from_utf8(text.to_text().reveal().to_vec()).unwrap();
    machine.variables.push(("VLT_IDENTITY", format!("{key}\n")));
    let found = machine.find(None).unwrap();
    assert_eq!((found.source, found.origin), (Source::Variable, Origin::Variable));
    assert_eq!(found.identity.recipient(), text.recipient());

    let (named, in_named) = machine.plain("named");
    machine.variables.push(("VLT_IDENTITY_FILE", named.display().to_string()));
    assert_eq!(machine.find(None).unwrap().identity.recipient(), in_named);

    let (flag, in_flag) = machine.plain("flag");
    let found = machine.find(Some(&flag)).unwrap();
    assert_eq!((found.source, found.identity.recipient()), (Source::Flag, in_flag.clone()));

    // The same without opening, for each rung.
    assert_eq!(machine.with(Some(&flag), None, find_public).unwrap().0, in_flag);
    assert_eq!(machine.with(None, None, find_public).unwrap().0, in_named);
    let steps = machine.with(None, None, |request| explain(request, false)).steps;
    assert_eq!(
        outcomes(&steps),
        [
            Outcome::NotConfigured,
            Outcome::Used,
            Outcome::NotReached,
            Outcome::NotReached,
            Outcome::NotReached,
            Outcome::NotReached
        ]
    );
}

#[test]
fn a_source_that_was_named_and_fails_is_not_passed_over() {
    let mut machine = Machine::new();
    machine.plain("config/identity");
    let none = machine.path("none");
    let missing =
        |result: Result<Found<IdentityKey>, Error>| matches!(result, Err(Error::Store(store::Error::Missing { .. })));
    assert!(missing(machine.find(Some(&none))));
    machine.variables = vec![("VLT_IDENTITY_FILE", none.display().to_string())];
    assert!(missing(machine.find(None)));
    machine.variables = vec![("VLT_IDENTITY", "hunter2".into())];
    let error = machine.find(None).unwrap_err();
    assert_eq!(error.to_string(), "VLT_IDENTITY line 1: not an age identity");
    let steps = machine.with(None, None, |request| explain(request, true)).steps;
    assert_eq!(steps[2].outcome, Outcome::Failed(error.to_string()));
    assert_eq!(steps[4].outcome, Outcome::NotReached);
}

#[test]
fn a_broken_default_file_is_not_passed_over_either() {
    let mut machine = Machine::new();
    machine.slot("laptop", WORDS);
    let (path, _) = machine.plain("config/identity");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(machine.find_with("code"), Err(Error::Store(store::Error::TooWide { .. }))));
    assert!(machine.with(None, None, find_public).is_none());
}

#[test]
#[cfg(not(feature = "os-keyring"))]
fn a_build_without_the_keyring_says_so_and_passes_nothing_over() {
    let mut machine = Machine::new();
    machine.plain("config/identity");
    machine.settings.set("identity", "keyring").unwrap();
    assert!(matches!(machine.find(None), Err(Error::Keyring(KeyringError::Unsupported))));
}

#[test]
fn a_sealed_file_asks_once_and_says_for_what() {
    let machine = Machine::new();
    let (path, recipient) = machine.sealed("config/identity", "correct horse");
    let mut labels = Vec::new();
    let mut prompt = |label: &str| {
        labels.push(label.to_owned());
        Ok(SecretValue::from(&b"correct horse"[..]))
    };
    let found = machine.with(None, None, |request| find_in_hand(request, Some(&mut prompt))).unwrap();
    assert_eq!(found.identity.recipient(), recipient);
    assert_eq!(labels, [format!("passphrase for {}", path.display())]);
    assert!(matches!(machine.find_with("wrong"), Err(Error::DoesNotOpen { .. })));
    assert!(matches!(machine.find(None), Err(Error::NoPassphrase { .. })));
    // Which device this is shows without the passphrase.
    assert_eq!(machine.with(None, None, find_public).unwrap().0, recipient);
    let search = machine.with(None, None, |request| explain(request, false));
    assert_eq!(search.steps[4].outcome, Outcome::Used);
}

#[test]
fn a_sealed_identity_in_the_variable_opens_too() {
    let mut machine = Machine::new();
    let (path, recipient) = machine.sealed("sealed", "correct horse");
    machine.variables.push(("VLT_IDENTITY", fs::read_to_string(path).unwrap()));
    assert_eq!(machine.find_with("correct horse").unwrap().identity.recipient(), recipient);
}

#[test]
fn slots_need_a_passphrase_and_of_several_it_opens_its_own() {
    let mut machine = Machine::new();
    let laptop = machine.slot("laptop", WORDS);
    match machine.find(None).unwrap_err() {
        Error::None { steps } => assert_eq!(steps[5].outcome, Outcome::NotTried(NotTried::NoPassphrase)),
        other => panic!("{other}"),
    }
    let pass = machine.path("pass");
    fs::write(&pass, format!("{}\n", WORDS.to_uppercase().replace(' ', "-"))).unwrap();
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    machine.variables.push(("VLT_PASSPHRASE_FILE", pass.display().to_string()));
    let found = machine.find(None).unwrap();
    assert_eq!((found.source, found.origin), (Source::VaultFile, Origin::Device("laptop".into())));

    let desktop = machine.slot("desktop", OTHER_WORDS);
    let found = machine.find(None).unwrap();
    assert_eq!(
        (found.identity.recipient(), found.origin),
        (laptop.clone(), Origin::Device("laptop or desktop".into()))
    );
    machine.variables.clear();
    assert_eq!(machine.find_with(OTHER_WORDS).unwrap().identity.recipient(), desktop);
    assert!(machine.with(None, None, find_public).is_none(), "which one it is shows when it opens");
    match machine.find_with("abacus abide abilty able abdomen abdominal").unwrap_err() {
        Error::Word { word: 3, near: Some("ability") } => {}
        other => panic!("{other}"),
    }
    machine.variables.push(("VLT_PASSPHRASE_FILE", pass.display().to_string()));
    let named = |device| machine.with(None, Some(device), |request| find_in_hand(request, None));
    assert_eq!(named("laptop").unwrap().identity.recipient(), laptop);
    assert!(matches!(named("desktop"), Err(Error::DoesNotOpen { origin: Origin::Device(_) })));
    match named("server").unwrap_err() {
        Error::None { steps } => assert_eq!(steps[5].outcome, Outcome::Absent),
        other => panic!("{other}"),
    }
}

#[test]
fn giving_up_at_the_prompt_ends_the_search() {
    let mut machine = Machine::new();
    machine.sealed("config/identity", "correct horse");
    machine.slot("laptop", WORDS);
    let mut asked = 0;
    let mut prompt = |_: &str| {
        asked += 1;
        Err(PromptError::Cancelled)
    };
    let result = machine.with(None, None, |request| find_in_hand(request, Some(&mut prompt)));
    assert!(matches!(result, Err(Error::Prompt(PromptError::Cancelled))));
    assert_eq!(asked, 1);
}

#[test]
fn nothing_found_names_what_was_tried() {
    let machine = Machine::new();
    let message = machine.find(None).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "no identity found (--identity: not set; VLT_IDENTITY_FILE: not set; VLT_IDENTITY: not set; \
             agent: not set; configuration: {}: not there; vault file: not set)",
            machine.path("config/identity").display()
        )
    );
}
