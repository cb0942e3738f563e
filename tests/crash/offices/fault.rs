//! What fails, and when.

use bishui_tests::dice::Dice;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node is gone for a while.
    Node(Gone),
    /// The database ends by this signal, and is started again.
    Database(&'static str),
    /// The database ends for good, and its synchronous standby takes its place.
    Promote,
}

/// How a node goes, and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It is killed, and started again.
    Killed,
    /// It is cut off from the database; people and the mail server still reach it.
    CutOff,
    /// It is stopped, and goes on as if nothing had been.
    Stopped,
}

/// When it fails, and which node does where one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The node that sends mail, once the server has taken a message and before it has said so.
    Sending,
    /// The node that sends mail, just when the server says that it has taken a message.
    Told,
    /// The node that follows acts through, under load.
    Following,
    /// Any node, under load.
    Any,
}

/// The first rounds.
const FIRST: [(Fault, Moment); 9] = [
    (Fault::Node(Gone::Killed), Moment::Sending),
    (Fault::Node(Gone::CutOff), Moment::Sending),
    (Fault::Database("QUIT"), Moment::Told),
    (Fault::Node(Gone::Stopped), Moment::Sending),
    (Fault::Promote, Moment::Sending),
    (Fault::Node(Gone::Killed), Moment::Following),
    (Fault::Database("KILL"), Moment::Sending),
    (Fault::Node(Gone::Stopped), Moment::Any),
    (Fault::Node(Gone::Killed), Moment::Told),
];

const FAULTS: [Fault; 6] = [
    Fault::Node(Gone::Killed),
    Fault::Node(Gone::CutOff),
    Fault::Node(Gone::Stopped),
    Fault::Database("QUIT"),
    Fault::Database("KILL"),
    Fault::Promote,
];
const MOMENTS: [Moment; 4] = [Moment::Sending, Moment::Told, Moment::Following, Moment::Any];

/// Rounds in which everything has failed once.
pub(crate) const FEWEST: u64 = FIRST.len() as u64;

/// What fails in a round.
pub(crate) fn of(round: u64, dice: &mut Dice) -> (Fault, Moment) {
    if let Some(first) = usize::try_from(round).ok().and_then(|round| FIRST.get(round)) {
        return *first;
    }
    (*one_of(&FAULTS, dice), *one_of(&MOMENTS, dice))
}

fn one_of<'a, T>(all: &'a [T], dice: &mut Dice) -> &'a T {
    let chosen = dice.below(u64::try_from(all.len()).unwrap());
    &all[usize::try_from(chosen).unwrap()]
}
