//! Token files: secrets that are mounted rather than written into the configuration.

use std::fs;
use std::path::{Path, PathBuf};

use openclaw_admin::access::Token;

use super::error::ConfigErrors;
use super::resolve::Settings;
use super::sections::{AccessKeys, CollectorKeys};

/// Adds the tokens of all configured files to those of the configuration itself.
pub(super) fn add_from_files(
    access: &mut AccessKeys,
    collector: &mut CollectorKeys,
    settings: &mut Settings,
    errors: &mut ConfigErrors,
) {
    let mut read = |key: &'static str, file: &Option<PathBuf>| -> Vec<Token> {
        let Some(file) = file else { return Vec::new() };
        read_tokens(file).unwrap_or_else(|reason| {
            errors.add(&settings.source(key), key, reason);
            settings.refuse(key);
            Vec::new()
        })
    };
    access.client_tokens.extend(read("access.clientTokensFile", &access.client_tokens_file));
    access.collector_tokens.extend(read("access.collectorTokensFile", &access.collector_tokens_file));
    access.reader_tokens.extend(read("access.readerTokensFile", &access.reader_tokens_file));
    access.admin_tokens.extend(read("access.adminTokensFile", &access.admin_tokens_file));
    let sent = read("collector.tokenFile", &collector.token_file);
    if collector.token.is_some() && collector.token_file.is_some() {
        let key = "collector.token";
        errors.add(
            &settings.source(key),
            key,
            "collector.token and collector.tokenFile are both set; keep one",
        );
    }
    collector.token = collector.token.take().or_else(|| sent.into_iter().next());
}

/// The tokens of a file, one a line; empty lines and lines that begin with `#` are skipped.
fn read_tokens(file: &Path) -> Result<Vec<Token>, String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let mut tokens = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            let token = Token::new(line).map_err(|error| format!("{shown}:{}: {error}", index + 1))?;
            tokens.push(token);
        }
    }
    if tokens.is_empty() {
        return Err(format!("{shown} holds no token; write one a line"));
    }
    Ok(tokens)
}
