//! Commands on encrypted data give what they give on plaintext.
//!
//! For random schemas, documents and commands: each command runs twice on the embedded server, on
//! plaintext data as it is, and on encrypted data as core rewrites it. What comes back must be the
//! same, unless analysis refused the command; and no secret may be in what was sent or stored.
//! Analysis may refuse whatever it wants; a second test makes sure that it lets a good part pass.
//!
//! `FIELDVEIL_WORLDS` sets how many schemas are tried, `FIELDVEIL_SEED` which is the first one.
#![expect(clippy::unwrap_used, reason = "a test may panic, and its helpers with it")]

mod choices;
mod commands;
mod expressions;
mod filters;
mod lab;
mod pipelines;
mod schemas;
mod updates;
mod values;
mod verdict;

use choices::Choices;
use lab::{Lab, World};
use verdict::Tally;

/// How many commands run on one set of documents.
const COMMANDS: usize = 12;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn run_worlds() -> Tally {
    let mut lab = Lab::start().await;
    let mut tally = Tally::default();
    let first = setting("FIELDVEIL_SEED", 1);
    for seed in first..first + setting("FIELDVEIL_WORLDS", 40) {
        let mut choices = Choices::new(seed);
        let Some(mut world) = World::random(&mut lab, &mut choices).await else { continue };
        for _ in 0..COMMANDS {
            commands::try_one(&mut world, &mut choices, &mut tally, seed).await;
        }
    }
    tally
}

#[tokio::test]
async fn commands_on_encrypted_data_give_what_they_give_on_plaintext() {
    let tally = run_worlds().await;
    println!("{tally}");
    assert_eq!(tally.faults(), 0, "{tally}");
    tally.assert_variety();
}
