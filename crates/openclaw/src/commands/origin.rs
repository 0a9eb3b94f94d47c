//! What results say of where they come from: the command that makes them again.

/// The command line without what results do not depend on: where they go, and on how many threads.
pub(super) fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut command = vec!["openclaw".to_owned()];
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let (name, has_value) =
            argument.split_once('=').map_or((argument.as_str(), false), |(name, _)| (name, true));
        if matches!(name, "--json" | "--html" | "--threads" | "--out" | "--logs" | "--checkpoint") {
            if !has_value {
                arguments.next();
            }
            continue;
        }
        let plain = !argument.is_empty()
            && argument.chars().all(|c| c.is_ascii_alphanumeric() || "-_./,:=@+%".contains(c));
        command.push(if plain { argument } else { format!("'{}'", argument.replace('\'', r"'\''")) });
    }
    command.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_repeat_leaves_out_where_results_go_and_quotes_the_rest() {
        let arguments = "evaluate --scenarios a.json --json out.json --threads=2 --html o.html --seeds 3";
        assert_eq!(
            command(arguments.split(' ').map(str::to_owned)),
            "openclaw evaluate --scenarios a.json --seeds 3"
        );
        let odd = ["--scenarios", "it's mine.json", ""].map(str::to_owned);
        assert_eq!(command(odd.into_iter()), r"openclaw --scenarios 'it'\''s mine.json' ''");
    }
}
