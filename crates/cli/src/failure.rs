//! How a command ends: exit codes, and failures that a person reads.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::printable::printable;

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, everything is right.
    Ok,
    /// 1: the contracts or the warehouse say no.
    Refused,
    /// 2: the command was called wrongly, or a setting is missing.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// A path or setting is missing or wrong.
    Usage(anyhow::Error),
    /// The contracts or the warehouse say no; one text a fault.
    Refused(Vec<String>),
    /// The results could not be written.
    Output(std::io::Error),
}

impl Failure {
    /// A call that cannot work.
    pub fn usage(reason: impl fmt::Display) -> Self {
        Self::Usage(anyhow::anyhow!("{reason}"))
    }

    /// One fault.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(vec![reason.to_string()])
    }

    /// Prints it and gives its exit code.
    pub fn tell(&self, err: &mut dyn Write) -> Exit {
        let (texts, exit) = match self {
            Self::Usage(error) => (vec![format!("{error:#}")], Exit::Usage),
            Self::Refused(faults) => (faults.clone(), Exit::Refused),
            // Whoever reads had enough, as `| head` does.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                (Vec::new(), Exit::Refused)
            }
            Self::Output(error) => {
                (vec![format!("the results could not be written: {error}")], Exit::Refused)
            }
        };
        for text in texts {
            // Without a standard error nobody can be told; the exit code still is.
            let lines: Vec<_> = text.lines().map(printable).collect();
            writeln!(err, "error: {}", lines.join("\n")).ok();
        }
        exit
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failure: &Failure) -> (String, Exit) {
        let mut err = Vec::new();
        let exit = failure.tell(&mut err);
        (String::from_utf8(err).unwrap(), exit)
    }

    #[test]
    fn each_fault_is_told_on_its_own_line() {
        let failure = Failure::Refused(vec!["a is wrong".into(), "b is wrong".into()]);
        assert_eq!(told(&failure), ("error: a is wrong\nerror: b is wrong\n".into(), Exit::Refused));
        assert_eq!(told(&Failure::usage("no such file")), ("error: no such file\n".into(), Exit::Usage));
    }

    #[test]
    fn what_others_say_cannot_control_a_terminal() {
        let failure = Failure::refused("ERROR: \u{1b}[2J\n  statement: x");
        assert_eq!(told(&failure).0, "error: ERROR: \\u001b[2J\n  statement: x\n");
    }

    #[test]
    fn a_closed_pipe_is_not_complained_about() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(told(&failure), (String::new(), Exit::Refused));
    }
}
