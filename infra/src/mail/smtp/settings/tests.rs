//! Settings as a person writes them, and what is refused before anything is sent.

use super::*;

const LEAST: &str = "host = 'mail.example.cn'\nfrom = '河长办 <bishui@example.cn>'\n";

fn read(more: &str) -> SmtpSettings {
    toml::from_str(&format!("{LEAST}{more}")).unwrap()
}

fn refusal(more: &str) -> String {
    let error = read(more).server().err().expect("refused");
    std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[test]
fn two_lines_are_enough_and_mean_tls() {
    let server = read("").server().unwrap();
    assert_eq!((server.port, server.timeout.as_secs(), server.final_timeout.as_secs()), (465, 60, 600));
    assert_eq!(server.sender.to_string(), "bishui@example.cn");
    assert!(matches!(server.channel, Channel::Tls(_)));
    assert_eq!(read("tls = 'starttls'").server().unwrap().port, 587);
    assert_eq!(read("tls = 'none'").server().unwrap().port, 25);
    assert_eq!(read("timeout = '300ms'").server().unwrap().timeout, Duration::from_millis(300));
}

#[test]
fn an_unknown_key_is_refused() {
    let error = toml::from_str::<SmtpSettings>(&format!("{LEAST}pasword = 'x'")).unwrap_err();
    assert!(error.message().starts_with("unknown field `pasword`"), "{error}");
}

#[test]
fn a_password_is_not_printed() {
    let settings = read("username = 'bishui'\npassword = 'geheim'");
    let printed = format!("{settings:?} {settings:#?}");
    assert!(printed.contains("[hidden]") && !printed.contains("geheim"), "{printed}");
}

#[test]
fn what_cannot_work_or_would_leak_is_refused() {
    assert_eq!(refusal("username = 'a'"), "mail username and password must be given together");
    assert_eq!(refusal("password = 'a'"), "mail username and password must be given together");
    assert_eq!(
        refusal("username = 'a'\npassword = 'b'\ntls = 'none'"),
        "mail password is given but tls is none: the password would be sent in clear"
    );
    assert_eq!(refusal("hello_name = \"a\\r\\nMAIL\""), "mail hello_name \"a\\r\\nMAIL\" is not a host name");
    assert_eq!(refusal("timeout = '0s'"), "mail timeout must be longer than nothing");
    assert_eq!(refusal("final_timeout = '-1s'"), "mail final_timeout must be longer than nothing");
    let missing = io::Error::from_raw_os_error(2);
    assert_eq!(refusal("ca_file = '/nowhere/ca.pem'"), format!("cannot read mail ca_file /nowhere/ca.pem: {missing}"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    assert_eq!(refusal(&format!("ca_file = '{path}'")), format!("mail ca_file {path} holds no PEM certificate"));
    let bad_from: SmtpSettings = toml::from_str("host = 'a'\nfrom = 'b'").unwrap();
    assert!(matches!(bad_from.server(), Err(SettingsError::From(MessageError::Address { .. }))));
    let no_host: SmtpSettings = toml::from_str("host = ' '\nfrom = 'b@c.cn'").unwrap();
    assert!(matches!(no_host.server(), Err(SettingsError::Host)));
}
