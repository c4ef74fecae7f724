//! What came of all commands.

use std::{collections::BTreeMap, fmt};

/// What may come of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Analysis refused it.
    Refused,
    /// Both servers answered the same; nothing in the command was encrypted.
    Same,
    /// Both servers answered the same, and something in the command was encrypted.
    SameSealed,
    /// Both servers gave an error.
    BothFailed,
    /// The answers differ, or what is stored after them.
    Different,
    /// A secret was in what was sent, or stored.
    Leak,
}

/// How often each verdict was reached, by the kind of command.
#[derive(Default)]
pub(crate) struct Tally {
    counts: BTreeMap<(&'static str, Verdict), usize>,
    /// What analysis said when it refused, without what is in quotes.
    refusals: BTreeMap<String, usize>,
    /// The first faults.
    examples: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, kind: &'static str, verdict: Verdict) {
        *self.counts.entry((kind, verdict)).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, message: &str) {
        let pieces: Vec<&str> = message.split('\'').step_by(2).collect();
        *self.refusals.entry(pieces.join("..")).or_default() += 1;
    }

    pub(crate) fn fault(&mut self, kind: &'static str, verdict: Verdict, example: String) {
        self.add(kind, verdict);
        if self.examples.len() < 5 {
            self.examples.push(example);
        }
    }

    pub(crate) fn faults(&self) -> usize {
        let is_fault = |verdict| matches!(verdict, Verdict::Different | Verdict::Leak);
        self.counts.iter().filter(|((_, verdict), _)| is_fault(*verdict)).map(|(_, n)| n).sum()
    }

    /// Every kind of command must get through to the server now and then, with something
    /// encrypted in it.
    pub(crate) fn assert_variety(&self) {
        for (kind, _) in self.counts.keys() {
            let count = |verdict| self.counts.get(&(*kind, verdict)).copied().unwrap_or(0);
            let same = count(Verdict::Same) + count(Verdict::SameSealed);
            let all = same + count(Verdict::Refused) + count(Verdict::BothFailed);
            assert!(same * 10 >= all, "most of {kind} is refused\n{self}");
            assert!(count(Verdict::SameSealed) > 0, "nothing was encrypted in {kind}\n{self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, verdict), count) in &self.counts {
            writeln!(f, "{kind:15} {:12} {count}", format!("{verdict:?}"))?;
        }
        for (message, count) in &self.refusals {
            writeln!(f, "{count:7} {message}")?;
        }
        self.examples.iter().try_for_each(|example| writeln!(f, "\n{example}"))
    }
}
