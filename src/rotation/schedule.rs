//! What the system's own schedulers are given to run `vault remind` once a day.
//!
//! Pure: the text of unit files, agents and lines of a crontab.

use std::path::{Path, PathBuf};

/// A program with its arguments and the variables it needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// Tells the jobs of several vaults apart; lower-case letters and digits.
    pub id: String,
    /// The program, then its arguments.
    pub command: Vec<String>,
    /// Where it runs: what a notify command's relative paths start from.
    pub directory: String,
    /// Where state and configuration are, if not in their usual places.
    pub variables: Vec<(String, String)>,
}

/// The hour of the day, in the zone of the machine.
const HOUR: u8 = 9;

impl Job {
    /// Name of the units and of the agent, and the mark of the crontab line.
    #[must_use]
    pub fn name(&self) -> String {
        format!("vault-remind-{}", self.id)
    }

    /// `NAME.service` and `NAME.timer` for systemd, as files below `directory`.
    #[must_use]
    pub fn systemd(&self, directory: &Path) -> [(PathBuf, String); 2] {
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
        let name = self.name();
        [(directory.join(format!("{name}.service")), service), (directory.join(format!("{name}.timer")), timer)]
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
            self.name(),
            xml(&self.directory)
        )
    }

    /// A line for a crontab, with the mark by which it is found again.
    #[must_use]
    pub fn cron(&self) -> String {
        let words = self.variables.iter().map(|(name, value)| format!("{name}={}", shell(value)));
        let words: Vec<String> = words.chain(self.command.iter().map(|word| shell(word))).collect();
        // In a crontab `%` ends the command.
        let line = format!("cd {} && {}", shell(&self.directory), words.join(" "));
        format!("0 {HOUR} * * * {} # {}\n", line.replace('%', "\\%"), self.name())
    }

    /// A crontab with this job's line once, or not at all, and all else as it was.
    #[must_use]
    pub fn in_crontab(&self, crontab: &str, wanted: bool) -> String {
        let mark = format!(" # {}", self.name());
        let mut out: String = crontab.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(&mark)).collect();
        if wanted {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&self.cron());
        }
        out
    }
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

/// A word for `sh`.
fn shell(word: &str) -> String {
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
            id: "abcd1234".to_owned(),
            command: ["/opt/my tools/vault", "remind", "--notify", "command:printf '%s' \"$HOME\" & <x>"]
                .map(str::to_owned)
                .into(),
            directory: "/my project/100%".to_owned(),
            variables: vec![("VLT_STATE_DIR".to_owned(), "/st ate".to_owned())],
        }
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let [(_, service), (path, timer)] = job().systemd(Path::new("/u"));
        assert!(
            service.contains(
                r#"ExecStart="/opt/my tools/vault" "remind" "--notify" "command:printf '%%s' \"$$HOME\" & <x>""#
            ),
            "{service}"
        );
        assert!(service.contains("Environment=\"VLT_STATE_DIR=/st ate\"\n"));
        assert!(service.contains("WorkingDirectory=/my project/100%%\n"));
        assert_eq!(path, Path::new("/u/vault-remind-abcd1234.timer"));
        assert!(timer.contains("Persistent=true"));
        assert!(job().launchd().contains("&amp; &lt;x&gt;</string>"));
        assert_eq!(
            job().cron(),
            "0 9 * * * cd '/my project/100\\%' && VLT_STATE_DIR='/st ate' '/opt/my tools/vault' remind --notify 'command:printf '\\''\\%s'\\'' \"$HOME\" & <x>' # vault-remind-abcd1234\n"
        );
    }

    #[test]
    fn a_crontab_keeps_every_other_line() {
        let job = job();
        for other in ["", "5 4 * * * backup\n", "# remark\n5 4 * * * backup # vault-remind-other\n"] {
            let with = job.in_crontab(other, true);
            assert_eq!(with, format!("{other}{}", job.cron()));
            assert_eq!(job.in_crontab(&with, true), with, "once");
            assert_eq!(job.in_crontab(&with, false), other);
        }
        assert!(job.in_crontab("no newline", true).starts_with("no newline\n0 9"));
    }
}
