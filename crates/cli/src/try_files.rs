//! `penstock try`: local files through the very code that the functions run, and what becomes of each record. Needs no
//! environment and no network; writes only the files that it was asked for.

mod groups;
mod inputs;
mod outputs;
mod progress;
mod repeats;
mod report;
mod shown;
mod trial;

use std::io::Write;

use penstock_core::contract::Contract;
use penstock_core::row::HandOver;
use serde_json::json;

use self::inputs::Input;
use self::outputs::Outputs;
use self::trial::{Account, Trial};
use crate::args::TryArgs;
use crate::failure::{Exit, Failure};
use crate::printable::printable;

/// Tries the files and prints the report.
pub fn run(args: &TryArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let (checker, path) = inputs::checker(args)?;
    let contract = checker.contract();
    let inputs = Input::all(&args.files)?;
    let mut outputs = Outputs::open(args, &inputs)?;
    let trial = Trial {
        checker: &checker,
        hand_over: HandOver::new(contract),
        max_samples: args.sample,
        is_open: args.show_classified,
    };
    let mut accounts = Vec::new();
    for input in &inputs {
        let account = trial.run(input, &mut outputs, err)?;
        if !args.json {
            report::print(&account, contract, out)?;
            out.flush()?;
        }
        tell_time(&account, err);
        accounts.push(account);
    }
    let written = outputs.finish()?;
    match args.json {
        true => print_json(&accounts, contract, &path, out)?,
        false => print_end(&accounts, contract, &written, out)?,
    }
    let all_right = accounts.iter().all(|account| account.is_complete(contract));
    Ok(if all_right { Exit::Ok } else { Exit::Refused })
}

/// Not part of the report: it differs from run to run, and of a small file it tells nothing.
fn tell_time(account: &Account, err: &mut dyn Write) {
    if account.bytes < progress::MIN_BYTES {
        return;
    }
    let (bytes, time) = (progress::size(account.bytes), account.time.as_secs_f64());
    let speed = progress::speed(account.bytes, account.time);
    writeln!(err, "{}: {bytes} in {time:.2} s, {speed}", printable(&account.source)).ok();
}

fn print_end(
    accounts: &[Account],
    contract: &Contract,
    written: &[(&str, u64, String)],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    if accounts.len() > 1 {
        writeln!(out, "{}", report::accounts(accounts, contract))?;
    }
    for (what, lines, path) in written {
        writeln!(out, "{lines} {what}{} written to {}", if *lines == 1 { "" } else { "s" }, printable(path))?;
    }
    writeln!(out, "{}", report::summary(accounts, contract))
}

fn print_json(
    accounts: &[Account],
    contract: &Contract,
    path: &str,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let all = json!({
        "contract": path,
        "dataset": contract.dataset,
        "contract_version": contract.version,
        "max_rejected_fraction": contract.table_options.max_rejected_fraction,
        "is_complete": accounts.iter().all(|account| account.is_complete(contract)),
        "files": accounts.iter().map(|account| report::json(account, contract)).collect::<Vec<_>>(),
    });
    writeln!(out, "{}", printable(&serde_json::to_string(&all)?))
}
