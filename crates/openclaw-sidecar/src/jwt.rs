//! What verifies JSON Web Tokens: a key and the rules that a token must satisfy.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

/// The key that verifies; a secret one is not shown.
#[derive(Clone)]
pub(crate) struct JwtKey(pub(crate) DecodingKey);

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtKey")
    }
}

/// What verifies tokens.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The key.
    pub(crate) key: JwtKey,
    /// The rules.
    pub(crate) validation: Validation,
}

/// What a token must say besides a good signature.
#[derive(Clone, Debug, Default)]
pub struct JwtRules {
    /// `iss`, where it is checked.
    pub issuer: Option<String>,
    /// `aud`, where it is checked.
    pub audience: Option<String>,
}

/// Why tokens cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwt {
    /// No algorithm of that name.
    #[error("there is no algorithm {0:?} for tokens; write for example HS256, RS256, ES256 or EdDSA")]
    Algorithm(String),
    /// The file is not the key that the algorithm needs.
    #[error("the key does not fit {algorithm}: {reason}; it needs {needs}")]
    Key {
        /// The algorithm.
        algorithm: String,
        /// What was wrong.
        reason: String,
        /// What it needs.
        needs: &'static str,
    },
}

/// A secret that is shorter than the hash's output could be found by trying (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

impl JwtSettings {
    /// Verification by `algorithm` (such as `ES256`) with the contents of a key file: the secret itself for the
    /// HMAC algorithms, a public key in PEM form for the others. Tokens must not have expired.
    ///
    /// # Errors
    /// [`InvalidJwt`] where there is no such algorithm, or the key does not fit it.
    pub fn new(algorithm: &str, key: &[u8], rules: &JwtRules) -> Result<Self, InvalidJwt> {
        let name = algorithm;
        let algorithm = Algorithm::from_str(name).map_err(|_| InvalidJwt::Algorithm(name.to_owned()))?;
        let key = decoding_key(algorithm, key)
            .ok_or_else(|| InvalidJwt::Algorithm(name.to_owned()))?
            .map_err(|(reason, needs)| InvalidJwt::Key { algorithm: name.to_owned(), reason, needs })?;
        let mut validation = Validation::new(algorithm);
        if let Some(issuer) = &rules.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match &rules.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            // Whom a token is for is only known where it is configured.
            None => validation.validate_aud = false,
        }
        validation.validate_nbf = true;
        Ok(Self { key: JwtKey(key), validation })
    }
}

/// The key, or what is wrong with it and what is needed; `None` for an algorithm that is not known here.
fn decoding_key(algorithm: Algorithm, key: &[u8]) -> Option<Result<DecodingKey, (String, &'static str)>> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let pem = |made: jsonwebtoken::errors::Result<DecodingKey>| {
        made.map_err(|error| (error.to_string(), "a public key in PEM form"))
    };
    Some(match algorithm {
        HS256 | HS384 | HS512 => {
            let secret = key.trim_ascii_end();
            if secret.len() < SECRET_BYTES_MIN {
                let reason = format!("it is {} bytes long", secret.len());
                return Some(Err((reason, "a secret of at least 32 bytes, best made at random")));
            }
            Ok(DecodingKey::from_secret(secret))
        }
        RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => pem(DecodingKey::from_rsa_pem(key)),
        ES256 | ES384 => pem(DecodingKey::from_ec_pem(key)),
        EdDSA => pem(DecodingKey::from_ed_pem(key)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_does_not_fit_its_algorithm_is_refused_with_what_it_needs() {
        let said = |algorithm, key: &[u8]| {
            JwtSettings::new(algorithm, key, &JwtRules::default()).unwrap_err().to_string()
        };
        assert!(said("none", b"").contains("no algorithm"));
        assert!(said("HS256", b"short\n").contains("5 bytes long; it needs a secret of at least 32"));
        assert!(said("ES256", b"not pem").contains("a public key in PEM form"));
        assert!(JwtSettings::new("HS256", &[b'x'; 32], &JwtRules::default()).is_ok());
    }

    #[test]
    fn a_key_is_not_shown() {
        let settings = JwtSettings::new("HS256", &[b'x'; 32], &JwtRules::default()).unwrap();
        assert!(!format!("{:?}", settings.key).contains('x'));
    }
}
