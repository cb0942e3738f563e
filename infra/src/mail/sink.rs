//! Mail for drills: kept in memory, sent nowhere.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Mailer, Outcome, OutgoingMail, RecipientOutcome, for_usable};

/// A mailer that keeps what it is given.
#[derive(Debug, Default)]
pub struct SinkMailer {
    kept: Mutex<Vec<KeptMail>>,
}

/// A message the sink was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMail {
    /// The message.
    pub mail: OutgoingMail,
    /// The addresses it was sent to.
    pub recipients: Vec<String>,
}

impl SinkMailer {
    /// The messages so far, in the order they came.
    pub fn kept(&self) -> Vec<KeptMail> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, mail: &OutgoingMail, recipients: Vec<String>) -> Outcome {
        if let Err(fault) = mail.to_bytes() {
            return Outcome::Failed { reply: fault.to_string() };
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.iter().any(|one| one.mail.message_id == mail.message_id && one.recipients == recipients) {
            kept.push(KeptMail { mail: mail.clone(), recipients });
        }
        Outcome::Accepted { reply: "kept in memory".to_owned() }
    }
}

#[async_trait]
impl Mailer for SinkMailer {
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        for_usable(recipients, async |usable| {
            let outcome = self.keep(mail, usable.iter().map(ToString::to_string).collect());
            vec![outcome; usable.len()]
        })
        .await
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "memory (nothing is sent)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_kept_once_and_a_bad_one_not_at_all() {
        let sink = SinkMailer::default();
        let mail = OutgoingMail {
            message_id: "<1@bishui.example>".to_owned(),
            from: "bishui@liaocheng.example".to_owned(),
            to: vec!["高唐 <water@gaotang.example>".to_owned()],
            subject: "预警通报".to_owned(),
            text: "正文".to_owned(),
            html: None,
            date: "2020-04-13T01:02:03Z".parse().unwrap(),
        };
        let accepted = Outcome::Accepted { reply: "kept in memory".to_owned() };
        for _ in 0..2 {
            let outcome = sink.send(&mail, &mail.to).await;
            assert_eq!(outcome, [RecipientOutcome { address: mail.to[0].clone(), outcome: accepted.clone() }]);
        }
        let broken = OutgoingMail { subject: "a\nb".to_owned(), ..mail.clone() };
        let reply = "the subject holds a line break or another control character".to_owned();
        assert_eq!(sink.send(&broken, &mail.to).await[0].outcome, Outcome::Failed { reply });
        assert_eq!(sink.send(&mail, &[]).await, []);
        assert_eq!(sink.kept(), [KeptMail { mail, recipients: vec!["water@gaotang.example".to_owned()] }]);
    }
}
