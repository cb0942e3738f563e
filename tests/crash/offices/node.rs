//! The process that is killed: a whole service on the database, as `bishui serve` runs it, with a clock that its caller
//! sets going.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bishui::clock::SystemClock;
use bishui::drill::MAIL_FROM;
use bishui::http::{ServeSettings, serve};
use bishui::office::{Office, Settings};
use bishui::store::Place;
use bishui_infra::calendar;
use bishui_infra::mail::{Mailer, OutgoingMail, RecipientOutcome, SmtpMailer};
use bishui_tests::child::end_with_the_test;
use bishui_tests::smtp_sink::mailer_to;

/// The data directory of a node.
pub(crate) const DIRECTORY: &str = "BISHUI_OFFICE_DIRECTORY";
/// The address of the database.
pub(crate) const STORE: &str = "BISHUI_OFFICE_STORE";
/// What the clock shows when the node starts.
pub(crate) const TIME: &str = "BISHUI_OFFICE_TIME";
/// The port of the SMTP server on this machine.
pub(crate) const PORT: &str = "BISHUI_OFFICE_PORT";
/// `yes` for nodes that make an attempt again which was cut short, although it may have succeeded.
pub(crate) const RETRIES_UNKNOWN: &str = "BISHUI_OFFICE_RETRIES_UNKNOWN";

fn variable(name: &str) -> String {
    env::var(name).unwrap()
}

/// Serves until killed.
pub(crate) async fn run(data_dir: PathBuf) {
    end_with_the_test();
    let store = Place::parse(&variable(STORE)).unwrap().open().await.unwrap();
    let clock = Arc::new(SystemClock::starting_at(variable(TIME).parse().unwrap()));
    let office = Office::new(store.log(), clock, Arc::new(calendar::built_in()), Settings::default());
    let mailer = mailer_to(variable(PORT).parse().unwrap());
    let mailer: Arc<dyn Mailer> =
        if variable(RETRIES_UNKNOWN) == "yes" { Arc::new(Careless(mailer)) } else { Arc::new(mailer) };
    let listen = "127.0.0.1:0".parse().unwrap();
    let settings = ServeSettings { listen, data_dir, mail_from: MAIL_FROM.to_owned(), signing_key: None };
    serve(Arc::new(office), mailer, settings, std::future::pending()).await.unwrap();
}

/// A mailer that says, wrongly, that sending a message twice makes one message.
struct Careless(SmtpMailer);

#[async_trait]
impl Mailer for Careless {
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        self.0.send(mail, recipients).await
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
