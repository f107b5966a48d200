//! The command line that makes a method's rows again by hand.

use std::path::Path;

use crate::stats::Section;

/// Where the rows would go.
const INTO: &str = "results/again";

/// `delta-lab run smoke -m raw --into results/again`, in a shell's words: one line to paste.
pub fn command(section: &Section, method: &str) -> String {
    let mut words = match section.command.get(1).map(String::as_str) {
        Some("compare") => compared(section.command),
        _ => vec!["delta-lab".into(), "run".into(), scenario(section)],
    };
    words.extend(["-m", method, "--into", INTO].map(str::to_string));
    line(&words)
}

/// The words as a line for a shell.
pub fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// The scenario as the run's command line named it, which may be a path, else its name.
fn scenario(section: &Section) -> String {
    let name = section.scenario.name.as_str();
    let is_it = |word: &&String| {
        Path::new(word.as_str())
            .file_stem()
            .is_some_and(|it| it == name)
    };
    let named = section.command.iter().skip(2).find(is_it);
    named.cloned().unwrap_or_else(|| name.to_string())
}

/// The command line of `compare` without what it says of methods and the folder.
fn compared(command: &[String]) -> Vec<String> {
    let mut kept = vec!["delta-lab".to_string()];
    let mut words = command.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-m" | "--method" | "--into" => {
                words.next();
            }
            "--all" => {}
            word if ["--method=", "--into=", "-m"]
                .iter()
                .any(|it| word.starts_with(it)) => {}
            word => kept.push(word.to_string()),
        }
    }
    kept
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use crate::stats::fixture::results;
    use crate::stats::sections;

    fn command_of(command: &[&str], name: &str, method: &str) -> String {
        let mut results = results(name, 1, 2, 1);
        results.host.command = command.iter().map(|word| word.to_string()).collect();
        super::command(&sections(&results)[0], method)
    }

    #[test]
    fn a_line_names_the_scenario_as_the_run_did_and_one_method() {
        for (command, name, expected) in [
            (
                &["delta-lab", "run", "smoke", "-m", "raw"][..],
                "smoke",
                "delta-lab run smoke -m raw --into results/again",
            ),
            (
                &["delta-lab", "run", "my own/mine.toml"],
                "mine",
                "delta-lab run 'my own/mine.toml' -m raw --into results/again",
            ),
            (
                &[],
                "smoke",
                "delta-lab run smoke -m raw --into results/again",
            ),
            (
                &[
                    "delta-lab",
                    "compare",
                    "a.tar",
                    "b.tar",
                    "--all",
                    "--into",
                    "x",
                    "-m",
                    "zstd/3",
                ],
                "compare",
                "delta-lab compare a.tar b.tar -m raw --into results/again",
            ),
        ] {
            assert_eq!(command_of(command, name, "raw"), expected);
        }
    }

    #[test]
    fn a_hostile_name_stays_one_word_of_the_shell() {
        let said = command_of(&[], "a'; rm -rf /", "$(reboot)");
        assert_eq!(
            said,
            r"delta-lab run 'a'\''; rm -rf /' -m '$(reboot)' --into results/again"
        );
    }
}
