//! What went wrong in a TLS handshake, in a sentence for the operator: what is amiss, at which end, and what to do.
//!
//! rustls says "invalid peer certificate: UnknownIssuer", which is right and helps nobody at three in the morning.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// Names of a certificate that are shown at most.
const NAMES_SHOWN_MAX: usize = 5;

/// What TLS has to say of an error of a connection to `host`; `None` where it was not TLS that failed.
#[must_use]
pub fn explained(error: &(dyn Error + 'static), host: &str) -> Option<String> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| {
        // An `io::Error` hides the error that it carries from `source`.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let fault = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| carried?.downcast_ref())
            .or_else(|| carried?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref());
        Some(sentence(fault?, host))
    })
}

fn sentence(fault: &rustls::Error, host: &str) -> String {
    match fault {
        rustls::Error::InvalidCertificate(fault) => certificate(fault, host),
        rustls::Error::InvalidMessage(_) => {
            "what answers there does not speak TLS; is its URL to begin with http://?".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("it broke off the TLS handshake ({alert:?}); its log may say why")
        }
        rustls::Error::PeerIncompatible(_) => {
            format!("it speaks no TLS that is spoken here, 1.2 and 1.3 ({fault})")
        }
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(fault: &CertificateError, host: &str) -> String {
    match fault {
        CertificateError::UnknownIssuer => {
            "nobody who is trusted here signed its certificate; put the certificate of \
             the authority that did into the file that tls.caFile names"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate names an authority that is trusted here, which did not sign it; \
             tls.caFile may hold an older certificate of that authority"
                .to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate expired {} ago; renew it there, or set this machine's clock",
            span(*not_after, *time)
        ),
        CertificateError::Expired => {
            "its certificate has expired; renew it there, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!(
                "its certificate is valid in {} only; set this machine's clock, or its",
                span(*time, *not_before)
            )
        }
        CertificateError::NotValidYet => {
            "its certificate is not valid yet; set this machine's clock, or its".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!(
                "its certificate is for {}, not for {host}; name it so in the URL, or have a certificate made for {host}",
                names(presented)
            )
        }
        CertificateError::NotValidForName => {
            format!("its certificate is for another host than {host}; have one made for {host}")
        }
        CertificateError::Other(reason) if reason.to_string().contains("CaUsedAsEndEntity") => {
            "it shows an authority's own certificate in place of one for a host; have the authority sign one"
                .to_owned()
        }
        CertificateError::Other(reason) => format!("its certificate is refused: {}", reason.0),
        other => format!("its certificate is refused: {other}"),
    }
}

/// The names that a certificate bears, a few of them.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no host at all".to_owned();
    }
    let more = presented.len().saturating_sub(NAMES_SHOWN_MAX);
    let shown: Vec<_> = presented.iter().take(NAMES_SHOWN_MAX).map(|name| plain(name)).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// `DnsName("a.example")` and `IpAddress(127.0.0.1)`, as they are presented, without their kinds.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The time between two moments, to the nearest day where it is a day or so.
fn span(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    match (seconds + 43_200) / 86_400 {
        0 => format!("{} s", Duration::from_secs(seconds).as_secs()),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn a_fault_deep_within_an_io_error_is_found() {
        let fault = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let twice = io::Error::other(io::Error::other(fault));
        assert!(explained(&twice, "edge").unwrap().contains("tls.caFile"));
        assert_eq!(explained(&io::Error::other("reset"), "edge"), None);
    }

    #[test]
    fn every_sentence_says_what_to_do() {
        let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
        let presented = (1..8).map(|n| format!("DnsName(\"h{n}.example\")")).collect();
        let expected = ServerName::try_from("edge").unwrap();
        let other = rustls::OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")));
        for (fault, said) in [
            (
                CertificateError::ExpiredContext { time: day(12), not_after: day(2) },
                "expired 10 days ago; renew it there",
            ),
            (
                CertificateError::NotValidYetContext { time: day(1), not_before: day(2) },
                "valid in a day only",
            ),
            (
                CertificateError::NotValidYetContext {
                    time: UnixTime::since_unix_epoch(Duration::from_secs(1)),
                    not_before: day(10),
                },
                "valid in 10 days only",
            ),
            (
                CertificateError::NotValidForNameContext { expected, presented },
                "is for h1.example, h2.example, h3.example, h4.example, h5.example and 2 more, not for edge",
            ),
            (CertificateError::Other(other), "an authority's own certificate"),
        ] {
            let sentence = sentence(&rustls::Error::InvalidCertificate(fault), "edge");
            assert!(sentence.contains(said), "{sentence}");
        }
    }
}
