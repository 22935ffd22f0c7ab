//! Any bytes as an identity file or a recovery code. Nothing is derived: a sealed file is only read.

use vault::identity::{IdentityFile, Origin, RecoveryCode};
use vault::secret_value::SecretValue;

pub fn run(data: &[u8]) {
    match IdentityFile::parse(data, &Origin::File("fuzzed".into())) {
        Ok(IdentityFile::Plain(key)) => {
            let text = key.to_text();
            let mut lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let line = lines.find(|line| line.starts_with(b"AGE-SECRET-KEY-1"));
            assert_eq!(line, Some(text.reveal()), "read as it stands, but for blanks around it");
        }
        Ok(IdentityFile::Sealed(file)) => {
            let cost = file.sealed.cost;
            assert!(cost.memory_kib() >= 65_536 && cost.passes() >= 3 && cost.lanes() >= 4);
            assert!(cost.memory_kib() <= 1_048_576 && cost.passes() <= 16 && cost.lanes() <= 16);
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
    if let Ok(code) = RecoveryCode::parse(&SecretValue::from(data)) {
        let text = code.as_passphrase();
        let again = RecoveryCode::parse(&text).expect("a code as we print it");
        assert!(again.as_passphrase().same_as(&text));
    }
}
