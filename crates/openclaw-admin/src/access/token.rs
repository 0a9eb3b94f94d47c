//! One bearer token, and comparing it without telling how much of it was right.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// A token that is shorter could be guessed.
const BYTES_MIN: usize = 16;
/// A token that is longer would not fit the words it is compared in.
const BYTES_MAX: usize = 256;
const WORDS: usize = BYTES_MAX / size_of::<u64>();
/// Randomness in a token made here, in bytes.
const RANDOM_BYTES: usize = 32;

/// A bearer token: 16 to 256 characters of `A-Z a-z 0-9 - . _ ~ + / =` (RFC 6750, section 2.1). Neither
/// `Debug` nor any error shows it.
#[derive(Clone)]
pub struct Token {
    text: String,
    padded: Padded,
}

/// Why a text is no token. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too easily guessed.
    #[error("the token is {0} characters long; at least {BYTES_MIN} are needed, best made at random")]
    TooShort(usize),
    /// Longer than can be compared.
    #[error("the token is {0} characters long; at most {BYTES_MAX} are read")]
    TooLong(usize),
    /// A character that cannot be sent as a bearer token.
    #[error("character {0} of the token is not one of A-Z a-z 0-9 - . _ ~ + / =")]
    Character(usize),
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes for a token")]
    NoEntropy,
}

impl Token {
    /// A token that an operator chose.
    ///
    /// # Errors
    /// Where the text is too short, too long or holds a character that cannot be sent.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        if let Some(index) = text.bytes().position(|byte| !is_token_character(byte)) {
            return Err(TokenError::Character(index + 1));
        }
        match text.len() {
            0..BYTES_MIN => Err(TokenError::TooShort(text.len())),
            BYTES_MIN..=BYTES_MAX => Ok(Self { padded: Padded::new(text.as_bytes()), text }),
            _ => Err(TokenError::TooLong(text.len())),
        }
    }

    /// A token of 256 random bits from the operating system, in hexadecimal.
    ///
    /// # Errors
    /// Where the operating system has no randomness to give.
    pub fn random() -> Result<Self, TokenError> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| TokenError::NoEntropy)?;
        Self::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// The token itself: to send it, or to print it to the operator for whom it was made. Never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub(super) fn is(&self, other: &Padded) -> bool {
        self.padded.ct_eq(other).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(redacted)")
    }
}

fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// A token's bytes in a fixed number of words: comparing two takes the same time whatever their lengths.
#[derive(Clone)]
pub(super) struct Padded {
    words: [u64; WORDS],
    len: u64,
}

impl Padded {
    /// What was sent, cut to the longest that a token can be; the full length still tells them apart.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut words = [0; WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(size_of::<u64>())) {
            let mut padded = [0; size_of::<u64>()];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(padded);
        }
        Self { words, len: bytes.len() as u64 }
    }
}

impl ConstantTimeEq for Padded {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.words.ct_eq(&other.words) & self.len.ct_eq(&other.len)
    }
}
