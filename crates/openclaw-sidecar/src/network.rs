//! Networks in CIDR notation: which proxies are trusted to name their clients.
//!
//! Sixty lines instead of the `ipnet` crate, of which nothing but `contains` would be used.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A network such as `10.0.0.0/8` or `fd00::/8`; a bare address is a network of one.
///
/// Kept as IPv6 throughout, IPv4 in its mapped form, so that a listener on `::` compares alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    prefix: u32,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no network: {reason}; write for example 10.0.0.0/8 or ::1")]
pub struct InvalidNetwork {
    text: String,
    reason: &'static str,
}

/// Bits before an IPv4 address in its mapped form (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u32 = 96;

impl Network {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (bits(address) ^ self.bits) & mask(self.prefix) == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = |reason| InvalidNetwork { text: text.chars().take(60).collect(), reason };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.trim().parse().map_err(|_| invalid("what is before the slash is no address"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix.map(str::trim) {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest)
                .ok_or_else(|| invalid("the address has fewer bits than the prefix"))?,
            Some(_) => return Err(invalid("what is after the slash is no number")),
        };
        let prefix = if address.is_ipv4() { prefix + MAPPED_BITS } else { prefix };
        let bits = bits(address);
        if bits & !mask(prefix) != 0 {
            return Err(invalid("the address has bits set beyond the prefix"));
        }
        Ok(Self { bits, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.bits);
        match address.to_ipv4_mapped().filter(|_| self.prefix >= MAPPED_BITS) {
            Some(address) => write!(f, "{address}/{}", self.prefix - MAPPED_BITS),
            None => write!(f, "{address}/{}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_lies_in_its_network_and_in_no_other() {
        assert!(contains("10.0.0.0/8", "10.255.1.2") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("192.168.1.7", "192.168.1.7") && !contains("192.168.1.7", "192.168.1.8"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"), "every IPv4 address and no other");
    }

    #[test]
    fn an_ipv4_address_in_its_mapped_form_is_the_same_address() {
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_reason() {
        for (text, reason) in [
            ("10.0.0.0/33", "fewer bits"),
            ("10.0.0.1/8", "beyond the prefix"),
            ("10.0.0.0/x", "no number"),
            ("10.0.0.0/+8", "no number"),
            ("localhost", "no address"),
            ("", "no address"),
        ] {
            let said = text.parse::<Network>().unwrap_err().to_string();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn a_network_is_shown_as_it_is_written() {
        for text in ["10.0.0.0/8", "192.168.1.7/32", "fd00::/8", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}
