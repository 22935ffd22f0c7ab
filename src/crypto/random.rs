//! Randomness from the operating system, and nothing else.

use super::Error;

/// `N` random bytes from `getrandom(2)`.
///
/// # Errors
/// [`Error::Random`] if the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}
