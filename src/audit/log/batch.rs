//! Lines to be appended in one write.

use super::{Log, Occasion};
use crate::audit::keys::EpochKey;
use crate::audit::record::{Draft, Head, KeyFields, Torn};
use crate::audit::state::State;
use crate::audit::{CERTIFY, Error, Event, MAX_LINE, Outcome, Sink, Tampering};
use crate::crypto::SigningKey;

/// Lines to be appended in one write.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) text: String,
    /// For the first line.
    pub(super) torn: Option<Torn>,
}

impl Log {
    /// Adds a record that introduces `next`, or the current key if there is none.
    pub(super) fn push_key(
        &self,
        batch: &mut Batch,
        state: &mut State,
        event: &Event,
        occasion: &Occasion<'_>,
        next: Option<&SigningKey>,
        after: Option<Head>,
    ) -> Result<(), Error> {
        let epoch_key = EpochKey {
            vault: self.place.vault,
            device: self.place.device.clone(),
            epoch: state.epoch + u64::from(next.is_some()),
            key: next.map_or(state.key, SigningKey::public),
        };
        let certificate = occasion.certifier.and_then(|certify| certify(&epoch_key));
        let fields = KeyFields { key: epoch_key.key, certificate };
        state.certified |= certificate.is_some();
        self.push(batch, state, event, occasion, self.key.as_ref(), Some((fields, next.is_some())), after)
    }

    /// Certifies the current epoch after the fact, if the certifier can.
    pub(super) fn push_certificate(
        &self,
        batch: &mut Batch,
        state: &mut State,
        occasion: &Occasion<'_>,
    ) -> Result<(), Error> {
        let (vault, device) = (self.place.vault, self.place.device.clone());
        let epoch_key = EpochKey { vault, device, epoch: state.epoch, key: state.key };
        let Some(certificate) = occasion.certifier.and_then(|certify| certify(&epoch_key)) else { return Ok(()) };
        let event = Event::new(CERTIFY, Outcome::Done);
        let fields = KeyFields { key: state.key, certificate: Some(certificate) };
        state.certified = true;
        self.push(batch, state, &event, occasion, self.key.as_ref(), Some((fields, false)), None)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a line is put together")]
    pub(super) fn push(
        &self,
        batch: &mut Batch,
        state: &mut State,
        event: &Event,
        occasion: &Occasion<'_>,
        signer: Option<&SigningKey>,
        key: Option<(KeyFields, bool)>,
        after: Option<Head>,
    ) -> Result<(), Error> {
        let missing = || self.tampered(state.generation, Tampering::KeyRemoved { epoch: state.epoch });
        let signer = signer.ok_or_else(missing)?;
        let next_key = key.as_ref().and_then(|(fields, hands_over)| hands_over.then_some(fields.key));
        let draft = Draft {
            vault: &self.place.vault,
            device: self.place.device.as_deref(),
            seq: state.seq + 1,
            epoch: state.epoch,
            at: occasion.now,
            event,
            origin: occasion.origin,
            torn: batch.torn.take(),
            sink: self.sink.as_ref().map(Sink::name),
            after,
            key: key.map(|(fields, _)| fields),
            prev: state.head,
        };
        let line = draft.sign(signer);
        if line.len() > MAX_LINE {
            return Err(Error::TooLarge { field: "names" });
        }
        state.wrote(line.as_bytes(), next_key, occasion.now);
        batch.text.push_str(&line);
        batch.text.push('\n');
        Ok(())
    }
}
