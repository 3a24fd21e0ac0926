//! `quartet completions`: scripts with which shells complete commands and flags.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::Cli;

/// Which shell.
#[derive(Debug, Args)]
#[command(after_help = "\
For bash: `quartet completions bash > ~/.local/share/bash-completion/completions/quartet`, for fish:
`quartet completions fish > ~/.config/fish/completions/quartet.fish`, for zsh: `quartet completions zsh > DIR/_quartet`, with DIR in $fpath.")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        io::stdout()
            .write_all(&self.script())
            .context("cannot write the script")
    }

    fn script(&self) -> Vec<u8> {
        let mut script = Vec::new();
        let mut command = without_hidden(&Cli::command());
        generate(self.shell, &mut command, "quartet", &mut script);
        script
    }
}

/// The command with what shells complete, less what is hidden, which some of the generators do not leave out.
fn without_hidden(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let inner = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set());
    let mut shown = Command::new(command.get_name().to_owned())
        .args(arguments.cloned())
        .subcommands(inner.map(without_hidden));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn each_shell_learns_the_flags_but_not_what_is_hidden() {
        for shell in Shell::value_variants() {
            let script = CompletionsArgs { shell: *shell }.script();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("checkpoint-sync-url"), "{shell}");
            assert!(!script.contains("exit-with-parent"), "{shell}");
        }
    }
}
