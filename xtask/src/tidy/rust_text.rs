//! Rust source with everything blanked that is not code, so that a rule may search it as plain text.
//!
//! Comments, strings and characters become spaces, line for line. A parser (syn) would know more, but it is slow to
//! build, and no rule here needs more than words and braces.

/// The source with comments and the insides of literals replaced by spaces. Lines stay where they were.
pub(super) fn code_only(source: &str) -> String {
    let mut scanner = Scanner { rest: source, out: String::with_capacity(source.len()), previous: ' ' };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.out
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
    /// The last character taken as code: an identifier before a quote makes it no literal's prefix.
    previous: char,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment_len(rest));
        } else if let Some(len) = self.raw_string_len() {
            self.blank(len);
        } else if rest.starts_with('"') {
            self.blank(quoted_len(rest, '"'));
        } else if let Some(len) = char_literal_len(rest) {
            self.blank(len);
        } else if let Some(c) = rest.chars().next() {
            self.out.push(c);
            self.previous = c;
            self.rest = &rest[c.len_utf8()..];
        }
    }

    fn blank(&mut self, len: usize) {
        let (gone, rest) = self.rest.split_at(len);
        self.out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.previous = ' ';
        self.rest = rest;
    }

    /// The length of `r"…"`, `r#"…"#`, `br"…"` and so on, if one begins here.
    fn raw_string_len(&self) -> Option<usize> {
        if is_word(self.previous) {
            return None;
        }
        let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
            self.rest.strip_prefix(prefix).is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
        })?;
        let after = &self.rest[prefix.len()..];
        let hashes = after.len() - after.trim_start_matches('#').len();
        let open = prefix.len() + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        Some(self.rest[open..].find(&close).map_or(self.rest.len(), |at| open + at + close.len()))
    }
}

/// Block comments nest.
fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a literal in quotes, both included; a backslash escapes what follows it.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of `'x'` or `'\n'`, but none for a lifetime.
fn char_literal_len(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return Some(quoted_len(text, '\''));
    }
    let c = inside.chars().next()?;
    inside[c.len_utf8()..].starts_with('\'').then(|| c.len_utf8() + 2)
}

/// Whether the character can be part of a name.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Code with every item behind `#[cfg(test)]` blanked, and the names of the modules so declared in other files.
pub(super) fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut out = String::with_capacity(code.len());
    let mut modules = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(") {
        let (before, attribute) = rest.split_at(at);
        let condition_end = closing(&attribute[5..]).map_or(attribute.len(), |end| 5 + end);
        let condition: String = attribute[6..condition_end].split_whitespace().collect();
        out.push_str(before);
        if !only_in_tests(&condition) {
            out.push_str(&attribute[..condition_end]);
            rest = &attribute[condition_end..];
            continue;
        }
        let item = (condition_end + 2).min(attribute.len());
        let len = item + item_len(&attribute[item..]);
        modules.extend(declared_module(&attribute[item..len]));
        out.extend(attribute[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &attribute[len..];
    }
    out.push_str(rest);
    (out, modules)
}

/// `test`, or `all(…)` with `test` among its conditions.
fn only_in_tests(condition: &str) -> bool {
    let all = condition.strip_prefix("all(").and_then(|inside| inside.strip_suffix(')'));
    condition == "test" || all.is_some_and(|inside| inside.split(',').any(|part| part == "test"))
}

/// The name in `mod name;`, whatever stands before it.
fn declared_module(item: &str) -> Option<String> {
    let words: Vec<&str> = item.trim().strip_suffix(';')?.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "mod")?;
    words.get(at + 1).map(|name| (*name).to_owned())
}

/// How long the item is: to its semicolon or its closing brace.
fn item_len(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            '{' if depth == 0 => return closing(&text[at..]).map_or(text.len(), |end| at + end + 1),
            _ => {}
        }
    }
    text.len()
}

/// Where the bracket that opens the text is closed.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        for (source, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x \\\" y\", z)", "f(        , z)"),
            ("f(r#\"a \" b\"#, z)", "f(          , z)"),
            ("f('\"', '\\'', z)", "f(   ,     , z)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("for\"x\"", "for   "),
            ("/// `std::env` ü\nfn f() {}", "                \nfn f() {}"),
        ] {
            assert_eq!(code_only(source), code, "{source}");
        }
    }

    #[test]
    fn what_is_not_closed_is_blanked_to_the_end() {
        for source in ["\"abc", "/* abc", "r#\"abc\"", "'\\"] {
            assert_eq!(code_only(source).trim(), "", "{source}");
        }
    }

    #[test]
    fn items_for_tests_are_left_out_and_their_lines_kept() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { c(); }\n}\nfn d() {}\n";
        let (kept, modules) = without_tests(code);
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn d() {}");
        assert_eq!(kept.lines().count(), code.lines().count());
        assert!(modules.is_empty());
    }

    #[test]
    fn modules_for_tests_are_named() {
        let code = "#[cfg(test)]\nmod tests;\n#[cfg(all(loom, test))]\npub(crate) mod models;\nmod real;";
        let (kept, modules) = without_tests(code);
        assert_eq!(modules, ["tests", "models"]);
        assert_eq!(kept.trim(), "mod real;");
    }

    #[test]
    fn other_conditions_hide_nothing() {
        let code = "#[cfg(any(test, feature))]\nfn a() {}\n#[cfg(not(test))]\nfn b() {}";
        assert_eq!(without_tests(code).0, code);
    }

    #[test]
    fn a_signature_with_brackets_does_not_end_the_item() {
        let (kept, _) = without_tests("#[cfg(test)]\nfn a() -> [u8; 2] { [0; 2] }\nfn b() {}");
        assert_eq!(kept.trim(), "fn b() {}");
    }
}
