//! The flags of `openclaw policy`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Lists the policies of a folder, with what they scored
    #[command(after_help = "Example: openclaw policy list policies")]
    List {
        /// The folder
        #[arg(default_value = "policies")]
        folder: PathBuf,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows where a policy came from and what it is, after checking it
    #[command(after_help = "Example: openclaw policy show policies/ppo-4.safetensors --json")]
    Show {
        /// The policy's file
        file: PathBuf,
        /// Prints the whole document as JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes a policy in another format, after checking it
    #[command(
        after_help = "Example: openclaw policy export policies/ppo-4.safetensors --format onnx --out ppo-4.onnx"
    )]
    Export {
        /// The policy's file
        file: PathBuf,
        /// The format
        #[arg(long, value_name = "FORMAT")]
        format: PolicyFormat,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// What a policy can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyFormat {
    /// The artifact itself
    Safetensors,
    /// A model for other runtimes: the network alone, without guardrails
    Onnx,
}
