//! Accounts: who may call the HTTP interface, by bearer token.
//!
//! The file holds the SHA-256 of each token, never the token: that is shown once, when it is made. It is read at every
//! request, so that a revoked token is refused at once.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bishui_domain::ids::CountyId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strum::{Display, EnumIter, EnumString};

/// The file's name in the data directory.
const FILE: &str = "tokens.json";
/// Longest name of an account, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Bytes drawn for a token.
const SECRET_BYTES: usize = 32;

/// What an account may do; see [`crate::http::rights`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString, EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// 经办: imports, declares, schedules.
    Clerk,
    /// 审批: publishes, approves, determines.
    Approver,
    /// 财务: books payments, settles.
    Finance,
    /// 县（市、区）: reads its own entries, acknowledges and answers.
    County,
    /// 审计: reads everything.
    Auditor,
    /// 管理: keeps the plan.
    Administrator,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// SHA-256 of the token, in hexadecimal.
    hash: String,
    /// The name that is recorded with its acts.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The county it belongs to; for the role `county` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county: Option<CountyId>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// What an account is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The name that is recorded with its acts.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The county it belongs to.
    pub county: Option<CountyId>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// Why the accounts could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a list of accounts: restore it, or remove it and make new tokens.
    #[error("{} is not a list of accounts", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The name is empty, too long or holds control characters.
    #[error("a name has 1 to {NAME_CHARS_MAX} characters, no `/` and no control characters")]
    Name,
    /// Another account that is not revoked has the name.
    #[error("an account named `{0}` exists; revoke it first or choose another name")]
    Taken(String),
    /// The role `county` needs a county, the others have none.
    #[error("the role `county` needs a county, and no other role has one")]
    County,
    /// No account that is not revoked has the name.
    #[error("no account named `{0}` is in use")]
    Unknown(String),
    /// No random bytes could be drawn.
    #[error("no random bytes can be drawn")]
    Random(#[source] getrandom::Error),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Accounts {
    tokens: Vec<Account>,
}

impl Account {
    /// Whether its token is accepted at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// Makes an account and returns its token, which cannot be shown again.
///
/// # Errors
/// An unusable name or county, or a failure of the file.
pub fn create(data_dir: &Path, new: NewAccount, now: Timestamp) -> Result<String, AccountsError> {
    let NewAccount { name, role, county, expires } = new;
    let bad = |c: char| c.is_control() || c == '/';
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(bad) {
        return Err(AccountsError::Name);
    }
    if (role == Role::County) != county.is_some() {
        return Err(AccountsError::County);
    }
    let mut accounts = load(data_dir)?;
    if accounts.tokens.iter().any(|account| account.name == name && account.revoked.is_none()) {
        return Err(AccountsError::Taken(name));
    }
    let token = draw()?;
    accounts.tokens.push(Account { hash: hash(&token), name, role, county, created: now, expires, revoked: None });
    save(data_dir, &accounts)?;
    Ok(token)
}

/// All accounts, revoked ones included, in the order they were made.
///
/// # Errors
/// A failure of the file.
pub fn list(data_dir: &Path) -> Result<Vec<Account>, AccountsError> {
    Ok(load(data_dir)?.tokens)
}

/// Revokes an account: its token is refused from now on.
///
/// # Errors
/// No account in use has the name, or a failure of the file.
pub fn revoke(data_dir: &Path, name: &str, now: Timestamp) -> Result<(), AccountsError> {
    let mut accounts = load(data_dir)?;
    let account = accounts.tokens.iter_mut().find(|account| account.name == name && account.revoked.is_none());
    account.ok_or_else(|| AccountsError::Unknown(name.to_owned()))?.revoked = Some(now);
    save(data_dir, &accounts)
}

/// The account a token belongs to, if it is accepted at `now`.
///
/// # Errors
/// A failure of the file.
pub fn authenticate(data_dir: &Path, token: &str, now: Timestamp) -> Result<Option<Account>, AccountsError> {
    let hash = hash(token);
    let mut found = None;
    for account in load(data_dir)?.tokens {
        if same(&account.hash, &hash) && account.is_valid(now) {
            found = Some(account);
        }
    }
    Ok(found)
}

/// A new random token.
///
/// # Errors
/// The system gives no random bytes.
pub fn draw() -> Result<String, AccountsError> {
    let mut secret = [0u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(AccountsError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// Whether two texts are equal, in a time that does not depend on where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    // A file left by an earlier attempt could have other rights.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = options.write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(token.as_bytes()) {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn load(data_dir: &Path) -> Result<Accounts, AccountsError> {
    let path = data_dir.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| AccountsError::Unreadable { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Accounts::default()),
        Err(source) => Err(AccountsError::File { path, source }),
    }
}

fn save(data_dir: &Path, accounts: &Accounts) -> Result<(), AccountsError> {
    let path = data_dir.join(FILE);
    let text = serde_json::to_string_pretty(accounts).expect("accounts hold only texts and times");
    write_secret(&path, &text).map_err(|source| AccountsError::File { path, source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn new(name: &str, role: Role, county: Option<&str>) -> NewAccount {
        NewAccount { name: name.to_owned(), role, county: county.map(|id| id.parse().unwrap()), expires: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_accepted_until_it_is_revoked_and_is_never_stored() {
        let dir = tempfile::tempdir().unwrap();
        let token = create(dir.path(), new("经办一", Role::Clerk, None), at(0)).unwrap();
        let path = dir.path().join(FILE);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&token));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let name = |token: &str| authenticate(dir.path(), token, at(1)).unwrap().map(|account| account.name);
        assert_eq!(name(&token), Some("经办一".to_owned()));
        assert_eq!(name("another"), None);
        revoke(dir.path(), "经办一", at(1)).unwrap();
        assert_eq!(name(&token), None);
        assert_eq!(list(dir.path()).unwrap()[0].revoked, Some(at(1)));
    }

    #[test]
    fn a_token_ends_on_its_day() {
        let dir = tempfile::tempdir().unwrap();
        let ending = NewAccount { expires: Some(at(10)), ..new("a", Role::Auditor, None) };
        let token = create(dir.path(), ending, at(0)).unwrap();
        assert!(authenticate(dir.path(), &token, at(9)).unwrap().is_some());
        assert!(authenticate(dir.path(), &token, at(10)).unwrap().is_none());
    }

    #[test]
    fn unusable_accounts_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made =
            |account: NewAccount| create(dir.path(), account, at(0)).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(made(new("a", Role::Clerk, None)), Ok(()));
        assert!(made(new("a", Role::Auditor, None)).unwrap_err().contains("exists"));
        assert!(made(new("b", Role::County, None)).unwrap_err().contains("needs a county"));
        assert!(made(new("b", Role::Clerk, Some("gaotang"))).unwrap_err().contains("needs a county"));
        assert!(made(new(" ", Role::Clerk, None)).unwrap_err().contains("1 to 100"));
        assert!(matches!(revoke(dir.path(), "nobody", at(0)), Err(AccountsError::Unknown(_))));
    }
}
