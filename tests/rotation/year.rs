//! A simulated year, end to end: the program itself, a process for each run, under
//! `faketime`. What arrives is compared with a calendar made by plain arithmetic.

use std::collections::BTreeMap;

use super::harness::Project;

const DAY: i64 = 86_400;
/// 2028-01-01T00:00:00Z: a leap year.
const START: i64 = 1_830_297_600;
const SECRETS: i64 = 50;
/// Writes what it is given to the end of a file; fails while the file `down` is there.
const CHAT: &str = "command:test ! -e down && cat >> told.jsonl && echo >> told.jsonl";

/// What the calendar knows of a value: when each stage begins, in order.
struct Value {
    stages: Vec<(i64, &'static str)>,
}

impl Value {
    /// Set at `set`, replaced every so many days, with the usual steps that fit.
    fn every(set: i64, days: i64) -> Self {
        Self::until(set + days * DAY, &[30, 14, 7, 1].map(|step| if step * 2 <= days { step } else { 0 }), "overdue")
    }

    fn until(end: i64, steps: &[i64], last: &'static str) -> Self {
        let steps = steps.iter().filter(|step| **step > 0).map(|step| (end - step * DAY, "due"));
        Self { stages: steps.chain([(end, last)]).collect() }
    }

    /// The position and state of the stage at `now`.
    fn at(&self, now: i64) -> Option<(usize, &'static str)> {
        let reached = self.stages.iter().rposition(|(begins, _)| *begins <= now)?;
        Some((reached, self.stages[reached].1))
    }
}

/// Of one channel: what it was told, and what it is to be told next.
#[derive(Default)]
struct Calendar(BTreeMap<String, usize>);

impl Calendar {
    /// What a run that reaches people at `now` brings.
    fn news(&mut self, values: &BTreeMap<String, Value>, now: i64) -> Vec<(String, String)> {
        let mut news = Vec::new();
        for (name, value) in values {
            if let Some((reached, state)) = value.at(now)
                && self.0.get(name) != Some(&reached)
            {
                self.0.insert(name.clone(), reached);
                news.push((name.clone(), state.to_owned()));
            }
        }
        news
    }
}

struct Year {
    project: Project,
    now: i64,
}

impl Year {
    fn run(&self, arguments: &[&str], input: &str) -> String {
        let at = format!("{}", self.now);
        let ran = self.project.run_at(&at, arguments, input);
        assert!(matches!(ran.code, 0 | 8), "{arguments:?} at {}: {}", self.now, ran.err);
        ran.err
    }

    /// What the standard error of `remind` says, by name.
    fn told(text: &str) -> Vec<(String, String)> {
        let words =
            [("overdue", "is overdue"), ("expired", "expired on"), ("due", "is due"), ("exposed", "is exposed")];
        let read = |line: &str| {
            let sentence = line.strip_prefix("vault: reminder: ")?;
            let state = words.iter().find(|(_, words)| sentence.contains(words)).expect(sentence).0;
            Some((sentence.split(' ').next().unwrap().to_owned(), state.to_owned()))
        };
        sorted(text.lines().filter_map(read).collect())
    }

    /// What the chat got since the last look.
    fn chat(&self) -> Vec<(String, String)> {
        let path = self.project.dir().join("told.jsonl");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        let mut told = Vec::new();
        for line in text.lines() {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            for item in message["secrets"].as_array().unwrap() {
                told.push((item["name"].as_str().unwrap().to_owned(), item["state"].as_str().unwrap().to_owned()));
            }
        }
        sorted(told)
    }
}

fn sorted(mut list: Vec<(String, String)>) -> Vec<(String, String)> {
    list.sort();
    list
}

#[test]
fn every_reminder_of_a_year_arrives_once_per_stage() {
    let mut year = Year { project: Project::bare(), now: START + 8 * 3_600 };
    year.run(&["init", "--no-recovery", "--member", "alice", "--device", "alice-laptop"], "");
    let mut values = BTreeMap::new();
    // One file gives all of them the interval of the profile; then some are special.
    let lines: String = (0..SECRETS).map(|n| format!("SECRET_{n:02}=value-{n}\n")).collect();
    year.run(&["profile", "set", "default", "--rotate-every", "90d"], "");
    std::fs::write(year.project.dir().join("all.env"), lines).unwrap();
    year.run(&["import", "all.env", "--created", "2028-01-01"], "");
    for n in 0..SECRETS {
        let name = format!("SECRET_{n:02}");
        let (options, value) = match n {
            0..20 => (vec![], Value::every(START, 90)),
            20..42 => {
                let days = 3 + (n - 20) * 17;
                (vec!["--rotate-every".to_owned(), format!("{days}d")], Value::every(START, days))
            }
            42..46 => {
                let end = START + (60 + (n - 42) * 30) * DAY;
                let date = ["2028-03-01", "2028-03-31", "2028-04-30", "2028-05-30"][(n - 42) as usize];
                let options = ["--no-rotation", "--expires", date].map(str::to_owned).to_vec();
                (options, Value::until(end, &[30, 14, 7, 1], "expired"))
            }
            46..49 => {
                let options = ["--rotate-every", "200d", "--warn-at", "100d,3d"].map(str::to_owned).to_vec();
                (options, Value::until(START + 200 * DAY, &[100, 3], "overdue"))
            }
            _ => (vec!["--no-rotation".to_owned()], Value { stages: vec![] }),
        };
        if !options.is_empty() {
            let mut arguments = vec!["set", &name];
            arguments.extend(options.iter().map(String::as_str));
            year.run(&arguments, "");
        }
        values.insert(name, value);
    }
    let (mut chat, mut terminal) = (Calendar::default(), Calendar::default());
    let (mut arrived, mut missed, mut failed) = (0, 0, 0);
    // A simple generator, so that every run of this test is the same.
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for day in 0..366 {
        // Off at random, in a holiday of twelve days, and on the days of both changes to
        // and from daylight saving time.
        if draw(7) == 0 || (200..212).contains(&day) || day == 85 || day == 302 {
            missed += 1;
            continue;
        }
        year.now = START + day * DAY + 9 * 3_600 + draw(3_600) as i64;
        if day == 130 {
            for name in ["SECRET_00", "SECRET_20", "SECRET_45"] {
                year.run(&["set", name, "-"], "another value");
                chat.0.remove(name);
                terminal.0.remove(name);
            }
            values.insert("SECRET_00".to_owned(), Value::every(year.now, 90));
            values.insert("SECRET_20".to_owned(), Value::every(year.now, 3));
            // Metadata and the same value again begin nothing.
            year.run(&["set", "SECRET_01", "--owner", "bob"], "");
            year.run(&["set", "SECRET_01", "-"], "value-1");
        }
        if day == 150 {
            year.run(&["expose", "SECRET_49", "--why", "in a log"], "");
            values.insert("SECRET_49".to_owned(), Value { stages: vec![(year.now, "exposed")] });
        }
        // A machine that makes up for a missed run, and one that was started again, run it twice.
        for _ in 0..=u64::from(draw(12) == 0) {
            let down = draw(5) == 0;
            let flag = year.project.dir().join("down");
            if down {
                std::fs::write(flag, "").unwrap();
                failed += 1;
            } else {
                let _ = std::fs::remove_file(flag);
            }
            let text = year.run(&["remind", "--notify", CHAT, "--notify", "stderr"], "");
            let want = if down { Vec::new() } else { chat.news(&values, year.now) };
            assert_eq!(year.chat(), want, "chat on day {day}");
            assert_eq!(Year::told(&text), terminal.news(&values, year.now), "terminal on day {day}");
            arrived += want.len();
        }
    }
    assert!(arrived > 150 && missed > 40 && failed > 40, "{arrived} {missed} {failed}");
}
