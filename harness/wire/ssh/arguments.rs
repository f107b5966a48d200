//! The arguments of `ssh`, as far as a stand-in can honour them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{Context, Result, bail, ensure};

/// Options with a value, in the next word or in the same one: ssh(1) of OpenSSH 9.2, and `P` of later ones.
const WITH_VALUE: &[u8] = b"BDEFIJLOPQRSWbceilmopw";
/// Options without.
const FLAGS: &[u8] = b"1246ACGKMNTVXYafgknqstvxy";
/// Of both, those that ask for more than a command's three streams. The rest (who, which port, which key, how
/// loudly) says nothing that matters here, and is read over.
const BEYOND: &[u8] = b"DGLMNOQRVWfstw";

/// A command to run.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The words of the command, joined by spaces, as ssh sends them to a shell.
    pub line: OsString,
    /// `-n`: the command gets no input.
    pub no_input: bool,
}

/// Reads `[OPTION…] HOST [OPTION…] COMMAND…`. The host can be any: there is one.
pub fn parse(words: &[OsString]) -> Result<Asked> {
    let mut no_input = false;
    let mut host = false;
    let mut words = words.iter();
    let mut command: Vec<&OsStr> = Vec::new();
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--" if !host => {
                host = words.next().is_some();
                break;
            }
            b"--" => break,
            [b'-', letters @ ..] if !letters.is_empty() => {
                no_input |= read_cluster(letters, &mut words)?;
            }
            _ if !host => host = true,
            _ => {
                command.push(word);
                break;
            }
        }
    }
    ensure!(host, "no host is named");
    command.extend(words.map(OsString::as_os_str));
    ensure!(
        !command.is_empty(),
        "no command is named, and there is no terminal here"
    );
    let line = command
        .iter()
        .map(|word| word.as_bytes())
        .collect::<Vec<_>>()
        .join(&b' ');
    Ok(Asked {
        line: OsString::from_vec(line),
        no_input,
    })
}

/// Reads the letters behind one `-`; whether `-n` was among them.
fn read_cluster<'a>(
    letters: &[u8],
    words: &mut impl Iterator<Item = &'a OsString>,
) -> Result<bool> {
    let mut no_input = false;
    for (at, letter) in letters.iter().enumerate() {
        let name = char::from(*letter);
        ensure!(
            !BEYOND.contains(letter),
            "-{name} is more than this stand-in does: it runs a command"
        );
        if WITH_VALUE.contains(letter) {
            let rest = &letters[at + 1..];
            let value = if rest.is_empty() {
                let next = words.next();
                next.with_context(|| format!("-{name} has no value"))?
                    .as_bytes()
            } else {
                rest
            };
            if *letter == b'o' {
                refuse_compression(value)?;
            }
            return Ok(no_input);
        }
        match letter {
            b'C' => bail!("{NO_COMPRESSION}"),
            b'n' => no_input = true,
            letter if FLAGS.contains(letter) => {}
            _ => bail!("-{name} is no option of ssh"),
        }
    }
    Ok(no_input)
}

const NO_COMPRESSION: &str =
    "the stand-in does not compress, so its bytes would not be ssh's: let the program compress";

/// `Compression=yes`, in any of the ways ssh reads an option.
fn refuse_compression(option: &[u8]) -> Result<()> {
    let option = String::from_utf8_lossy(option).to_ascii_lowercase();
    let mut words = option
        .split([' ', '\t', '='])
        .filter(|word| !word.is_empty());
    let asked = words.next() == Some("compression") && words.next() != Some("no");
    ensure!(!asked, "{NO_COMPRESSION}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Asked> {
        let words: Vec<OsString> = words.split('|').map(OsString::from).collect();
        parse(&words)
    }

    #[test]
    fn the_command_is_what_follows_host_and_options() {
        for (words, line) in [
            ("host|casync|pull|-|-", "casync pull - -"),
            ("-p|22|host|ls", "ls"),
            ("-p22|-qT|me@host|ls|-l", "ls -l"),
            ("-oBatchMode=yes|-o|Compression=no|-l|me|host|ls", "ls"),
            (
                "host|-l|me|rsync|--server|-e.Ls|.|a b",
                "rsync --server -e.Ls . a b",
            ),
            ("--|host|-x|ls", "-x ls"),
            ("host|--|ls|--|x", "ls -- x"),
            ("-vl|me|host|echo 'a b'; exit 3", "echo 'a b'; exit 3"),
        ] {
            let asked = parsed(words).unwrap();
            assert_eq!(asked.line, line, "{words}");
            assert!(!asked.no_input, "{words}");
        }
        assert!(parsed("-qn|host|cat").unwrap().no_input);
        assert!(parsed("host|-n|cat").unwrap().no_input);
        assert!(!parsed("host|cat|-n").unwrap().no_input);
    }

    #[test]
    fn what_would_change_the_bytes_or_is_no_command_is_refused() {
        for (words, why) in [
            ("-C|host|ls", "does not compress"),
            ("-qC|host|ls", "does not compress"),
            ("-oCompression=yes|host|ls", "does not compress"),
            ("-o|compression yes|host|ls", "does not compress"),
            ("-t|host|ls", "-t is more than"),
            ("-s|host|sftp", "-s is more than"),
            ("-L|1:h:2|host|ls", "-L is more than"),
            ("-z|host|ls", "-z is no option"),
            ("-p", "-p has no value"),
            ("-q", "no host"),
            ("--", "no host"),
            ("host", "no command"),
            ("host|-q", "no command"),
        ] {
            let said = format!("{:#}", parsed(words).unwrap_err());
            assert!(said.contains(why), "{words}: {said}");
        }
    }
}
