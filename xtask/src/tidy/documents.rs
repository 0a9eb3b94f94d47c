//! Documents name only files, folders and tasks that exist: the one kind of rot a machine can see.
//!
//! Checked are Markdown links, code in backticks and words in code blocks that look like paths of this repository,
//! and every `cargo xtask …`. The changelog may name in code what is gone: it tells history.

use super::Finding;
use crate::cli::COMMANDS;
use crate::recipes;
use crate::suite;
use crate::tree::{File, Tree};
use std::collections::BTreeSet;

/// Folders at the root, planned ones too: a path that begins with one of them means this repository.
const TOP_FOLDERS: &[&str] = &[
    ".cargo",
    ".ci",
    ".config",
    "crates",
    "data",
    "deploy",
    "docs",
    "monitoring",
    "openapi",
    "policies",
    "scenarios",
    "sdk",
    "xtask",
];

/// Endings that make a word with a slash in it a path.
const ENDINGS: &[&str] = &[".md", ".rs", ".toml", ".yaml", ".yml", ".json", ".sh"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let paths = tree.paths();
    tree.files
        .iter()
        .filter(|file| is_document(&file.path))
        .flat_map(|file| check_document(file, &paths))
        .collect()
}

/// Markdown at the root, under `docs/`, and the packages' own front pages.
fn is_document(path: &str) -> bool {
    let front_page = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    path.ends_with(".md")
        && (!path.contains('/')
            || path.starts_with("docs/")
            || front_page.is_some_and(|(_, rest)| rest == "README.md"))
}

fn check_document(file: &File, paths: &BTreeSet<&str>) -> Vec<Finding> {
    let tells_history = file.path == "CHANGELOG.md";
    let mut findings = Vec::new();
    for (line, mention) in mentions(&file.text) {
        let fault = match mention {
            Mention::Link(link) => missing_link(&file.path, &link, paths),
            Mention::Code(_) if tells_history => None,
            Mention::Code(code) => missing_in_code(&file.path, &code, paths),
        };
        if let Some((fault, mend)) = fault {
            findings.push(Finding::new(&file.path, line, fault, mend));
        }
    }
    findings
}

/// Something in a document that may name a file.
enum Mention {
    /// The target of a Markdown link.
    Link(String),
    /// Code in backticks, or a line of a code block.
    Code(String),
}

/// Every link and piece of code, with its line counted from one.
fn mentions(text: &str) -> Vec<(usize, Mention)> {
    let mut found = Vec::new();
    let mut fence = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let marker = ["```", "~~~"].into_iter().find(|marker| line.trim_start().starts_with(marker));
        match (fence, marker) {
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => found.push((number, Mention::Code(line.to_owned()))),
            (None, None) => {
                let mut prose = String::new();
                for (part, text) in line.split('`').enumerate() {
                    if part % 2 == 1 {
                        found.push((number, Mention::Code(text.to_owned())));
                    } else {
                        prose.push_str(text);
                    }
                }
                found.extend(links(&prose).map(|link| (number, Mention::Link(link))));
            }
        }
    }
    found
}

/// The targets of `[text](target)` and of `[name]: target`.
fn links(prose: &str) -> impl Iterator<Item = String> {
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let reference = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline.chain(reference).filter_map(|target| target.split_whitespace().next()).map(str::to_owned)
}

type Fault = Option<(String, String)>;

fn missing_link(document: &str, link: &str, paths: &BTreeSet<&str>) -> Fault {
    let target = link.split('#').next().unwrap_or_default();
    if target.is_empty() || link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let exists =
        resolved(document, target).is_some_and(|path| path.is_empty() || paths.contains(path.as_str()));
    (!exists).then(|| {
        let mend = "link to a file that exists, with a path from this document's own folder";
        (format!("links to {target}, which does not exist"), mend.to_owned())
    })
}

fn missing_in_code(document: &str, code: &str, paths: &BTreeSet<&str>) -> Fault {
    missing_task(code)
        .or_else(|| code.split_whitespace().find_map(|word| missing_path(document, word, paths)))
}

/// A `cargo xtask` that names no task, proof or bench there is.
fn missing_task(code: &str) -> Fault {
    for rest in code.split("cargo xtask ").skip(1) {
        let mut words = rest.split_whitespace().map(|word| word.trim_end_matches([',', ';', '.', ')', ':']));
        let command = words.next().filter(|word| is_name(word))?;
        if !COMMANDS.contains(&command) {
            let mend = format!("the tasks are: {}", COMMANDS.join(", "));
            return Some((format!("names `cargo xtask {command}`, which does not exist"), mend));
        }
        let named: Vec<&str> = match command {
            "prove" | "bench" => words.next().into_iter().collect(),
            "test" => {
                let words: Vec<&str> = words.collect();
                let pairs = words.windows(2).filter(|pair| matches!(pair[0], "--only" | "--skip"));
                pairs.map(|pair| pair[1]).collect()
            }
            _ => continue,
        };
        let unknown = named.into_iter().find(|name| is_name(name) && !is_known(command, name));
        if let Some(name) = unknown {
            let mend = format!("`cargo xtask {command}` tells the names there are");
            return Some((
                format!("names {name:?} as one for `cargo xtask {command}`, but there is none"),
                mend,
            ));
        }
    }
    None
}

fn is_known(command: &str, name: &str) -> bool {
    let among = |recipes: &[recipes::Recipe]| recipes.iter().any(|recipe| recipe.name == name);
    match command {
        "prove" => among(recipes::PROOFS),
        "bench" => among(recipes::BENCHES),
        _ => suite::step_names().any(|step| step == name),
    }
}

/// Whether the word is a name and no placeholder, option or punctuation.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn missing_path(document: &str, word: &str, paths: &BTreeSet<&str>) -> Fault {
    let word = word.trim_matches(|c| "\"'(),;:[]".contains(c)).trim_end_matches('.');
    let word = word.strip_prefix("./").unwrap_or(word);
    // A line number after the file.
    let word = word.split_once(':').map_or(word, |(file, _)| file);
    if !looks_like_path(word) {
        return None;
    }
    let plain = plain_part(word);
    let from_root = plain.trim_end_matches('/');
    let from_here = resolved(document, from_root);
    let exists = paths.contains(from_root) || from_here.is_some_and(|path| paths.contains(path.as_str()));
    (!exists).then(|| {
        let mend =
            "name a file or folder that exists, from the repository's root or from this document's folder";
        (format!("names {word}, which does not exist"), mend.to_owned())
    })
}

fn looks_like_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/*{},".contains(c);
    if word.starts_with(['/', '-']) || word.contains("//") || !word.chars().all(plain) {
        return false;
    }
    // A pattern such as tests/*.rs means any package's, unless it begins at the root.
    let ending = !word.contains(['*', '{']) && ENDINGS.iter().any(|ending| word.ends_with(ending));
    match word.split_once('/') {
        Some((first, _)) => ending || TOP_FOLDERS.contains(&first),
        None => word.ends_with(".md") && word.len() > ".md".len(),
    }
}

/// The path up to its first wildcard or choice: what is left of it must exist.
fn plain_part(word: &str) -> &str {
    match word.find(['*', '{']) {
        Some(at) => word[..at].rsplit_once('/').map_or("", |(folder, _)| folder),
        None => word,
    }
}

/// The path from the root that a relative path in the document means; none where it leaves the repository.
fn resolved(document: &str, relative: &str) -> Option<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
