//! Where the database is: one server or several, of which one takes writes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::event_log::LogError;

/// What may be said of a connection; `target_session_attrs` is read here.
const OPTIONS: [&str; 16] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "options",
];

/// The address of a database, `postgres://user:password@host:port,host:port/database?sslmode=…`. It is shown without
/// its password and options.
#[derive(Clone)]
pub struct Address {
    text: String,
    shown: String,
    servers: Vec<Server>,
}

/// One server of an address.
#[derive(Clone)]
pub(super) struct Server {
    /// Host and port, for people.
    pub(super) name: String,
    pub(super) options: PgConnectOptions,
}

impl Address {
    /// Whether `text` is meant as the address of a database.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// `Unavailable` with what is wrong; the text itself is not repeated, for it may hold a password.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| unreadable("it does not begin with postgres://"))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let (path, options) = tail.split_once('?').unwrap_or((tail, ""));
        if path.contains('@') || text.contains('#') {
            return Err(unescaped());
        }
        let options = server_options(options)?;
        let at = if user.is_empty() { "" } else { "@" };
        let server = |host: &str| {
            let parsed = PgConnectOptions::from_str(&format!("postgres://{user}{at}{host}{path}{options}"));
            let options = parsed.map_err(|error| unreadable(&error.to_string()))?.disable_statement_logging();
            if matches!(options.get_ssl_mode(), PgSslMode::Allow) {
                return Err(unreadable("sslmode=allow would not encrypt: say disable, require or verify-full"));
            }
            let name = match options.get_socket() {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            };
            Ok(Server { name, options: options.application_name("bishui") })
        };
        let servers = hosts.split(',').map(server).collect::<Result<Vec<Server>, LogError>>()?;
        let name = user.split(':').next().unwrap_or_default();
        Ok(Self { text: text.to_owned(), shown: format!("postgres://{name}{at}{hosts}{path}"), servers })
    }

    /// Another database on the same servers.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let moved = |server: &Server| Server { options: server.options.clone().database(name), ..server.clone() };
        let servers = self.servers.iter().map(moved).collect();
        Self { text: self.text.clone(), shown: format!("{} (database {name})", self.shown), servers }
    }

    /// The address as it was given, its password included: to hand it on to a process, never to show it.
    pub fn as_given(&self) -> &str {
        &self.text
    }

    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Says which servers may be spoken to in plain text, and by whoever answers in their place.
    pub(super) fn warn_of_plain_text(&self) {
        for server in self.servers.iter().filter(|server| server.may_be_overheard()) {
            let server = &server.name;
            tracing::warn!(server, "the connection to the database need not be encrypted: set sslmode=verify-full");
        }
    }
}

impl Server {
    /// Whether what is said to it may leave this machine unencrypted where nobody asked for that.
    fn may_be_overheard(&self) -> bool {
        let host = self.options.get_host().trim_matches(['[', ']']);
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let is_here =
            self.options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback;
        matches!(self.options.get_ssl_mode(), PgSslMode::Prefer) && !is_here
    }
}

/// The options without `target_session_attrs`: writes always go to the server that takes them. One that is not known
/// would mean nothing, where it was meant to protect.
fn server_options(options: &str) -> Result<String, LogError> {
    let mut kept = Vec::new();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value) {
            ("target_session_attrs", "read-write" | "primary") => {}
            ("target_session_attrs", _) => {
                return Err(unreadable("target_session_attrs can only be read-write or primary"));
            }
            (known, _) if OPTIONS.contains(&known) => kept.push(option),
            // It is the end of a password.
            (_, value) if name.contains('@') || value.contains('@') => return Err(unescaped()),
            (unknown, _) => return Err(unreadable(&format!("the option `{unknown}` is not known"))),
        }
    }
    Ok(if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) })
}

fn unescaped() -> LogError {
    unreadable("write @ as %40, / as %2F, ? as %3F and # as %23 in its parts")
}

fn unreadable(what: &str) -> LogError {
    LogError::Unavailable { what: format!("the address of the database cannot be read: {what}"), source: None }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Address::parse(text).unwrap().servers.into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn every_server_is_tried_with_the_same_user_and_database() {
        let text =
            "postgres://bishui:geheim%40@db1:5433,db2:5434/office?target_session_attrs=read-write&sslmode=require";
        let address = Address::parse(text).unwrap();
        assert_eq!(names(text), ["db1:5433", "db2:5434"]);
        for server in &address.servers {
            assert_eq!((server.options.get_username(), server.options.get_database()), ("bishui", Some("office")));
        }
    }

    #[test]
    fn a_socket_is_a_server_too() {
        assert_eq!(names("postgresql:///office?host=/run/postgresql&user=bishui"), ["/run/postgresql"]);
    }

    #[test]
    fn the_password_is_never_shown() {
        for text in ["postgres://bishui:geheim@db1/office", "postgres://bishui@db1/office?password=geheim"] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), "postgres://bishui@db1/office");
            assert_eq!(format!("{address:?}"), "Address(postgres://bishui@db1/office)");
        }
        let wrong = Address::parse("postgres://bishui:geheim@db1:port/office").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the store cannot be used: the address of the database cannot be read: error with configuration: invalid port number"
        );
    }

    fn refusal(text: &str) -> String {
        let refused = Address::parse(text).unwrap_err().to_string();
        refused
            .strip_prefix("the store cannot be used: the address of the database cannot be read: ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn an_end_of_a_password_is_not_taken_for_something_else() {
        for text in [
            "postgres://bishui:2024/geheim@db1/office",
            "postgres://bishui:2024?geheim@db1/office",
            "postgres://bishui:2024?a=geheim@db1/office",
            "postgres://bishui:2024#geheim@db1/office",
            "postgres://bishui:x@2024/geheim@db1/office",
        ] {
            assert_eq!(refusal(text), "write @ as %40, / as %2F, ? as %3F and # as %23 in its parts", "{text}");
        }
    }

    #[test]
    fn an_option_that_would_mean_nothing_is_refused_without_its_value() {
        for (option, name) in [("ssl_mode=verify-full", "ssl_mode"), ("sslpassword=geheim", "sslpassword")] {
            assert_eq!(
                refusal(&format!("postgres://db1/office?{option}")),
                format!("the option `{name}` is not known")
            );
        }
        let allow = "sslmode=allow would not encrypt: say disable, require or verify-full";
        assert_eq!(refusal("postgres://db1/office?sslmode=allow"), allow);
    }

    #[test]
    fn a_connection_that_leaves_the_machine_is_encrypted_or_warned_of() {
        for (text, is_warned_of) in [
            ("postgres://db1/office", true),
            ("postgres://192.0.2.1/office?sslmode=prefer", true),
            ("postgres://db1/office?sslmode=require", false),
            ("postgres://db1/office?sslmode=disable", false),
            ("postgres://127.0.0.1/office", false),
            ("postgres://[::1]/office", false),
            ("postgres://localhost/office", false),
            ("postgres:///office?host=/run/postgresql", false),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.servers[0].may_be_overheard(), is_warned_of, "{text}");
        }
    }

    #[test]
    fn only_a_server_that_takes_writes_can_be_asked_for() {
        assert!(Address::parse("postgres://db1,db2/office?target_session_attrs=any").is_err());
    }
}
