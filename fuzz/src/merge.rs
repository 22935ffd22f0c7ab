//! Edits on two branches, merged and compared with a model. Two bytes an edit; `0xff` parts base, ours, theirs and how
//! conflicts are settled.

#[path = "../../tests/merge_model/model.rs"]
mod model;

use model::{Edit, Edits};

pub fn run(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0xff);
    let mut edits = |most| parts.next().map(|bytes| edits(bytes, most)).unwrap_or_default();
    let (base, ours, theirs) = (edits(8), edits(6), edits(6));
    let take: Vec<bool> =
        (0..4).map(|n| parts.next().and_then(|bytes| bytes.get(n)).is_some_and(|b| b & 1 == 1)).collect();
    model::history(&base, &ours, &theirs, &take);
}

fn edits(bytes: &[u8], most: usize) -> Edits {
    let edit = |pair: &[u8]| match pair[1] % 11 {
        0..4 => Edit::Set,
        4 => Edit::SetCommon,
        5..7 => Edit::Remove,
        7..9 => Edit::Note(pair[1] / 11 % 3),
        9 => Edit::Every(pair[1] / 11 % 3),
        _ => Edit::Expose,
    };
    bytes.chunks_exact(2).take(most).map(|pair| (usize::from(pair[0] % 4), edit(pair))).collect()
}
