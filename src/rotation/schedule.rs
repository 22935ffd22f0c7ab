//! What the system's own schedulers are given to run `vault remind` once a day.
//!
//! Pure: the text of unit files, agents and lines of a crontab.

use std::path::PathBuf;

/// A program with its arguments and the variables it needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// Name of the units and of the agent, and the mark of the crontab line: [`PREFIX`], then
    /// what tells the jobs of several vaults apart, lower-case letters and digits.
    pub name: String,
    /// The program, then its arguments.
    pub command: Vec<String>,
    /// Where it runs: what a notify command's relative paths start from.
    pub directory: String,
    /// Where state and configuration are, if not in their usual places.
    pub variables: Vec<(String, String)>,
}

/// What the name of every job begins with.
pub const PREFIX: &str = "vault-remind-";
/// The hour of the day, in the zone of the machine.
const HOUR: u8 = 9;

impl Job {
    /// True if no word of it has a line break, or another control character: behind one, a
    /// unit file or a crontab goes on with a line of its own, which would be an order.
    #[must_use]
    pub fn is_on_one_line(&self) -> bool {
        let variables = self.variables.iter().flat_map(|(name, value)| [name, value]);
        !self.command.iter().chain([&self.directory]).chain(variables).any(|word| word.contains(char::is_control))
    }

    /// `NAME.service` and `NAME.timer` for systemd.
    #[must_use]
    pub fn systemd(&self) -> [String; 2] {
        let command: Vec<String> = self.command.iter().map(|word| systemd_word(word)).collect();
        let environment: String = self
            .variables
            .iter()
            .map(|(name, value)| format!("Environment={}\n", systemd_word(&format!("{name}={value}"))))
            .collect();
        let service = format!(
            "[Unit]\nDescription=Remind of secrets that are due for rotation\n\n\
             [Service]\nType=oneshot\nWorkingDirectory={}\n{environment}ExecStart={}\n",
            // A path, not a word: taken as it is but for specifiers (systemd.exec(5)).
            self.directory.replace('%', "%%"),
            command.join(" ")
        );
        // Persistent: a run that was missed while the machine was off is made up for.
        let timer = format!(
            "[Unit]\nDescription=Remind of secrets that are due for rotation, daily\n\n\
             [Timer]\nOnCalendar=*-*-* {HOUR:02}:00:00\nPersistent=true\nAccuracySec=1h\n\n\
             [Install]\nWantedBy=timers.target\n"
        );
        [service, timer]
    }

    /// An agent for launchd. Runs missed in sleep are made up for on waking.
    #[must_use]
    pub fn launchd(&self) -> String {
        let strings: String = self.command.iter().map(|word| format!("    <string>{}</string>\n", xml(word))).collect();
        let variables: String = self
            .variables
            .iter()
            .map(|(name, value)| format!("    <key>{}</key><string>{}</string>\n", xml(name), xml(value)))
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n  <key>Label</key><string>{}</string>\n  \
             <key>ProgramArguments</key>\n  <array>\n{strings}  </array>\n  \
             <key>WorkingDirectory</key><string>{}</string>\n  \
             <key>EnvironmentVariables</key>\n  <dict>\n{variables}  </dict>\n  \
             <key>StartCalendarInterval</key>\n  <dict><key>Hour</key><integer>{HOUR}</integer>\
             <key>Minute</key><integer>0</integer></dict>\n</dict>\n</plist>\n",
            self.name,
            xml(&self.directory)
        )
    }

    /// A line for a crontab, with the mark by which it is found again.
    #[must_use]
    pub fn cron(&self) -> String {
        let words = self.variables.iter().map(|(name, value)| format!("{name}={}", shell_word(value)));
        let words: Vec<String> = words.chain(self.command.iter().map(|word| shell_word(word))).collect();
        // In a crontab `%` ends the command.
        let line = format!("cd {} && {}", shell_word(&self.directory), words.join(" "));
        format!("0 {HOUR} * * * {} # {}\n", line.replace('%', "\\%"), self.name)
    }

    /// A crontab with this job's line once, and all else as it was.
    #[must_use]
    pub fn in_crontab(&self, crontab: &str) -> String {
        let mut out = without(crontab, &self.name);
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&self.cron());
        out
    }
}

/// A crontab without the line of a job, and all else as it was.
#[must_use]
pub fn without(crontab: &str, name: &str) -> String {
    crontab.split_inclusive('\n').filter(|line| job_of(line) != Some(name)).collect()
}

/// The name of the job whose line of a crontab this is.
#[must_use]
pub fn job_of(line: &str) -> Option<&str> {
    line.trim_end().rsplit_once(" # ").map(|(_, name)| name).filter(|name| name.starts_with(PREFIX))
}

/// The vault file that a job is for, as `NAME.service`, an agent of launchd or a line of a
/// crontab has it in its words.
#[must_use]
pub fn vault_file(written: &str) -> Option<PathBuf> {
    let words = if let Some((_, command)) = written.split_once("\nExecStart=") {
        words(command.lines().next()?, '"')
    } else if written.starts_with("<?xml") {
        let strings = written.split("<string>").skip(1).filter_map(|rest| rest.split_once("</string>"));
        strings.map(|(text, _)| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
    } else {
        words(&written.replace("\\%", "%"), '\'')
    };
    words.into_iter().skip_while(|word| word != "--vault").nth(1).map(PathBuf::from)
}

/// The words of a line that [`systemd_word`] (in double quotes) or [`shell`] wrote.
fn words(line: &str, quote: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut quoted = false;
    let mut word = String::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let c = match c {
            c if c == quote => {
                quoted = !quoted;
                continue;
            }
            ' ' if !quoted => {
                words.push(std::mem::take(&mut word));
                continue;
            }
            // Both are doubled in a unit file.
            '%' | '$' if quote == '"' => rest.next_if_eq(&c).unwrap_or(c),
            '\\' if quote == '"' || !quoted => match rest.next() {
                Some('n') if quote == '"' => '\n',
                next => next.unwrap_or(c),
            },
            c => c,
        };
        word.push(c);
    }
    words.push(word);
    words
}

/// A word in a unit file (systemd.service(5), "Command lines"): quoted, with `%` and `$` doubled.
fn systemd_word(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' | '$' => out.extend([c, c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A word for `sh`, quoted where it has to be.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            name: "vault-remind-abcd1234".to_owned(),
            command: ["/opt/my tools/vault", "remind", "--notify", "command:printf '%s' \"$HOME\" & <x>"]
                .map(str::to_owned)
                .into(),
            directory: "/my project/100%".to_owned(),
            variables: vec![("VLT_STATE_DIR".to_owned(), "/st ate".to_owned())],
        }
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let [service, timer] = job().systemd();
        assert!(
            service.contains(
                r#"ExecStart="/opt/my tools/vault" "remind" "--notify" "command:printf '%%s' \"$$HOME\" & <x>""#
            ),
            "{service}"
        );
        assert!(service.contains("Environment=\"VLT_STATE_DIR=/st ate\"\n"));
        assert!(service.contains("WorkingDirectory=/my project/100%%\n"));
        assert!(timer.contains("Persistent=true"));
        assert!(job().launchd().contains("&amp; &lt;x&gt;</string>"));
        assert_eq!(
            job().cron(),
            "0 9 * * * cd '/my project/100\\%' && VLT_STATE_DIR='/st ate' '/opt/my tools/vault' remind --notify 'command:printf '\\''\\%s'\\'' \"$HOME\" & <x>' # vault-remind-abcd1234\n"
        );
    }

    #[test]
    fn a_line_break_anywhere_is_told() {
        assert!(job().is_on_one_line());
        let broken = "/a\n* * * * * sh";
        let with = |change: fn(&mut Job, String)| {
            let mut job = job();
            change(&mut job, broken.to_owned());
            job.is_on_one_line()
        };
        assert!(!with(|job, text| job.directory = text));
        assert!(!with(|job, text| job.command.push(text)));
        assert!(!with(|job, text| job.variables[0].1 = text));
    }

    #[test]
    fn a_crontab_keeps_every_other_line() {
        let job = job();
        for other in ["", "5 4 * * * backup\n", "# remark\n5 4 * * * backup # vault-remind-other\n"] {
            let with = job.in_crontab(other);
            assert_eq!(with, format!("{other}{}", job.cron()));
            assert_eq!(job.in_crontab(&with), with, "once");
            assert_eq!(without(&with, &job.name), other);
        }
        assert!(job.in_crontab("no newline").starts_with("no newline\n0 9"));
    }

    proptest::proptest! {
        #[test]
        fn the_vault_file_is_found_again_in_what_was_written(
            file in "(/[a-z%$'\"\\\\ <>&#;]{1,6}){1,4}", channel in "[a-z%$'\"\\\\ <>&]{0,12}",
        ) {
            let words = ["/opt/my \"tools\"/vault", "--no-input", "--vault", &file, "remind", "--notify", &channel];
            let job = Job { command: words.map(str::to_owned).into(), ..job() };
            let [service, _] = job.systemd();
            for written in [service, job.launchd(), job.cron()] {
                proptest::prop_assert_eq!(vault_file(&written), Some(PathBuf::from(&file)), "{}", written);
            }
            let line = job.cron();
            proptest::prop_assert_eq!(job_of(&line), Some("vault-remind-abcd1234"));
        }
    }
}
