//! The four roles, and sets of them.

use std::fmt;

/// What a token's bearer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Posts ratings.
    Client,
    /// Posts events and receives limits.
    Collector,
    /// Reads metrics, status and policies.
    Reader,
    /// May do everything, and alone may change limits, modes and policies.
    Admin,
}

impl Role {
    /// All roles, the most modest first.
    pub const ALL: [Self; 4] = [Self::Client, Self::Collector, Self::Reader, Self::Admin];

    /// The role's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Collector => "collector",
            Self::Reader => "reader",
            Self::Admin => "admin",
        }
    }

    /// The configuration key that holds the role's tokens.
    #[must_use]
    pub fn tokens_key(self) -> &'static str {
        match self {
            Self::Client => "access.clientTokens",
            Self::Collector => "access.collectorTokens",
            Self::Reader => "access.readerTokens",
            Self::Admin => "access.adminTokens",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether `role` is among them.
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are also among `other`.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not `role`.
    #[must_use]
    pub fn without(self, role: Role) -> Self {
        Self(self.0 & !role.bit())
    }

    /// The roles one by one.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self(role.bit())
    }
}

impl<const N: usize> From<[Role; N]> for Roles {
    fn from(roles: [Role; N]) -> Self {
        roles.into_iter().collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

/// As in "this needs ...": `a client's or reader's token`.
impl fmt::Display for Roles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|role| format!("{}'s", role.name())).collect();
        match names.first() {
            None => write!(formatter, "no token"),
            Some(first) => {
                let article = if first.starts_with('a') { "an" } else { "a" };
                write!(formatter, "{article} {} token", names.join(" or "))
            }
        }
    }
}
