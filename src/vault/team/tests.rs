//! What a hostile team log costs.

use super::*;
use crate::crypto::{DataKey, IdentityKey};
use crate::vault::change::{Action, Change, NewDevice, Rekeyed};

/// A log that is verified before anybody is asked whether it is the right one: an unknown
/// vault with a thousand profiles of a hundred parents each, whose parents are set over and
/// over. By names each time took as long as a hundred signatures.
#[test]
fn parents_that_are_set_again_and_again_are_checked_in_no_time() {
    let identity = IdentityKey::generate().unwrap();
    let key = identity.signing_key();
    let device =
        NewDevice { device: "a".parse().unwrap(), recipient: identity.recipient(), signing_key: Some(key.public()) };
    let data_key = DataKey::generate().unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut team = Team::default();
    let mut make = |action: Action, made: Option<&ProfileName>| {
        let rekeyed = made.map(|profile| Rekeyed {
            profile: profile.clone(),
            epoch: 1,
            commitment: data_key.commitment(profile.as_str(), 1),
        });
        let number = team.next_number();
        let change = Change { number, at, by: device.device.clone(), action, rekeyed: rekeyed.into_iter().collect() };
        team.append(&change, &key).map(drop)
    };
    let names: Vec<ProfileName> = (0..MAX_PROFILES).map(|n| format!("p{n:04}").parse().unwrap()).collect();
    make(Action::Found { nonce: [0; 16], member: "a".parse().unwrap(), device: device.clone() }, Some(&names[0]))
        .unwrap();
    for (n, profile) in names.iter().enumerate().skip(1) {
        let extends = names[n.saturating_sub(100).max(1)..n].to_vec();
        make(Action::AddProfile { profile: profile.clone(), extends }, Some(profile)).unwrap();
    }
    let mut set = |profile: &ProfileName, parent: &ProfileName| {
        make(Action::SetProfile { profile: profile.clone(), extends: vec![parent.clone()] }, None)
    };
    let begun = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
    for _ in 0..200 {
        set(&names[0], &names[MAX_PROFILES - 1]).unwrap();
    }
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec - begun;
    assert!(taken <= 3, "{taken} s of the processor");
    set(&names[1], &names[MAX_PROFILES - 1]).unwrap_err();
    set(&names[1], &names[0]).unwrap_err();
}
