//! Where the database is, as its URL says it, without ever saying the URL again: it may hold a password.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::error::OpenError;

/// What may follow the `?` of a URL. The driver would only warn of others, with their values.
const PARAMETERS: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// How to reach a database.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) options: PgConnectOptions,
    /// Host, port and database, for operators.
    pub(super) place: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Address {
    /// Reads a `postgres://` or `postgresql://` URL.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let unusable = |problem: String| OpenError::Url { problem };
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(unusable("it must begin with postgres:// or postgresql://".to_owned()));
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let keys = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        for key in keys.filter(|key| !key.is_empty()) {
            if !PARAMETERS.contains(&key) && !key.starts_with("options[") {
                // A stray `&` in a password makes the rest of it a key, so the key is not repeated either.
                return Err(unusable(format!(
                    "it has a parameter that is none of {}; a special character in a password is written as %XX",
                    PARAMETERS.join(", ")
                )));
            }
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| unusable(explain_configuration(&error)))?
            .disable_statement_logging();
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("openclaw"),
        };
        Ok(Self { place: place(&options), options })
    }
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("database {database} at {}:{}", socket.display(), options.get_port()),
        None => format!("database {database} at {}:{}", options.get_host(), options.get_port()),
    }
}

/// The driver's words name parameters and positions; a password is in none of them.
fn explain_configuration(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(error) => error.to_string(),
        _ => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn place_names_host_and_database_and_no_secret() {
        let address =
            Address::parse("postgres://ann:se%26cret@db.example:5433/ratings?sslmode=require").unwrap();
        assert_eq!(address.place, "database ratings at db.example:5433");
        let shown = format!("{address:?}");
        assert!(!shown.contains("cret") && !shown.contains("ann"), "{shown}");
    }

    #[test]
    fn sockets_are_named_by_their_folder() {
        let address =
            Address::parse("postgres://ann@localhost/ratings?host=/run/postgresql&port=5432").unwrap();
        assert_eq!(address.place, "database ratings at /run/postgresql:5432");
    }

    #[test]
    fn unusable_urls_are_refused_without_repeating_them() {
        for url in [
            "mysql://ann:secret@db/ratings",
            "postgres://ann:secret@db:notaport/ratings",
            "postgres://ann:secret@db/ratings?sslmode=secretly",
            "postgres://ann@db/ratings?password=a&secret=1",
            "secret",
        ] {
            let refused = Address::parse(url).unwrap_err().to_string();
            assert!(refused.contains("store.url") && !refused.contains("secret@"), "{refused}");
        }
    }
}
