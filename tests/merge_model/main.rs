//! Random edits on two branches, merged and compared with a model that knows nothing of
//! versions, seals or clocks: nothing is lost, and what clashes is a conflict.

#![expect(clippy::disallowed_methods, reason = "tests read files")]

mod model;

use model::{Edit, Edits, history};
use proptest::prelude::*;

fn edits(most: usize) -> impl Strategy<Value = Edits> {
    let edit = prop_oneof![
        4 => Just(Edit::Set),
        1 => Just(Edit::SetCommon),
        2 => Just(Edit::Remove),
        2 => (0..3u8).prop_map(Edit::Note),
        1 => (0..3u8).prop_map(Edit::Every),
        1 => Just(Edit::Expose),
    ];
    prop::collection::vec((0..4usize, edit), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// `PROPTEST_CASES` asks for more.
    #[test]
    fn nothing_is_lost_and_clashes_are_conflicts(
        base in edits(8),
        ours in edits(6),
        theirs in edits(6),
        take in prop::collection::vec(any::<bool>(), 4),
    ) {
        history(&base, &ours, &theirs, &take);
    }
}

/// What random edits found once.
#[test]
fn histories_that_failed_before() {
    use Edit::{Expose, Note, Remove, Set};
    // Removed and set anew on one side, a new note on the other: the value that was
    // removed on purpose is not brought back, whichever side is taken.
    for take in [true, false] {
        let base = vec![(1, Set), (1, Note(1))];
        history(&base, &vec![(1, Remove), (1, Set)], &vec![(1, Note(0))], &[take; 4]);
        history(&base, &vec![(1, Note(0))], &vec![(1, Remove), (1, Set)], &[take; 4]);
    }
    // Two secrets of one name, and the one that is gone had leaked: it stays on the worklist.
    history(&Vec::new(), &vec![(1, Set)], &vec![(1, Set), (1, Expose), (1, Remove)], &[true; 4]);
    history(&Vec::new(), &vec![(1, Set), (1, Set)], &vec![(1, Set), (1, Expose), (1, Remove)], &[true; 4]);
}
