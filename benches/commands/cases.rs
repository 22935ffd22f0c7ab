//! The commands that are measured, and their targets.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vault::crypto::IdentityKey;

use crate::measure::{self, Usage, median};
use crate::world::{Size, World, name, profile};
use crate::{Outcome, table};

/// Devices in a team, unless a case is about their number.
const DEVICES: usize = 50;
/// Secrets asked for by name where not all are injected.
const ASKED: usize = 10;
/// What a use remembers of a file it writes once file and memory have been at rest for a tenth of a second.
const REST: Duration = Duration::from_millis(200);

/// A command in a vault of some size.
pub(crate) struct Case {
    pub(crate) name: String,
    size: Size,
    kind: Kind,
    /// Most CPU time it should take, in milliseconds: for `exec` beyond the launcher.
    target: Option<f64>,
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ExecAll,
    /// As `ExecAll`, with the identity held by the agent.
    ExecUnlocked,
    ExecAsked,
    /// As `ExecAsked`, of a file that changed: nothing is remembered of it.
    ExecAnew,
    Set,
    List,
    Rotation,
    Verify,
    Version,
    /// Somebody comes and leaves: two commands, measured as one.
    AddAndRemove,
}

/// Every case, those of one size together.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    use Kind::{AddAndRemove, ExecAll, ExecAnew, ExecAsked, ExecUnlocked, List, Rotation, Set, Verify, Version};
    let in_team = |name: &str, secrets, devices, profiles, kind, target, rounds| Case {
        name: name.into(),
        size: Size { secrets, devices, profiles },
        kind,
        target,
        rounds,
    };
    let case = |name: &str, secrets, kind, target, rounds| in_team(name, secrets, DEVICES, 1, kind, target, rounds);
    [
        case("version", 10, Version, None, 300),
        case("exec, 10 secrets", 10, ExecAll, Some(1.0), 300),
        // At most 0.3 ms more than with the identity in a file.
        case("exec through the agent", 10, ExecUnlocked, Some(1.3), 300),
        case("exec, 10 of 1,000", 1_000, ExecAsked, Some(2.0), 300),
        case("exec, 1,000 secrets", 1_000, ExecAll, Some(5.0), 200),
        case("set among 1,000", 1_000, Set, Some(10.0), 60),
        case("list of 1,000", 1_000, List, None, 60),
        case("verify, 1,000 secrets", 1_000, Verify, None, 40),
        case("exec, 10 of 10,000", 10_000, ExecAsked, Some(10.0), 60),
        case("exec, 10,000 secrets", 10_000, ExecAll, Some(40.0), 40),
        case("list of 10,000", 10_000, List, Some(40.0), 40),
        case("rotation of 10,000", 10_000, Rotation, Some(60.0), 40),
        case("verify, 10,000 secrets", 10_000, Verify, None, 20),
        in_team("exec, 10 of 1,000, 2 devices", 1_000, 2, 1, ExecAsked, Some(2.0), 200),
        in_team("exec, 10 of 1,000, 2 devices, changed file", 1_000, 2, 1, ExecAnew, None, 100),
        in_team("add and remove, 2 devices", 1_000, 2, 1, AddAndRemove, Some(1_000.0), 10),
        in_team("exec, 10 of 1,000, 200 devices", 1_000, 200, 1, ExecAsked, Some(2.0), 200),
        in_team("exec, 10 of 1,000, 200 devices, changed file", 1_000, 200, 1, ExecAnew, None, 100),
        in_team("add and remove, 200 devices", 1_000, 200, 1, AddAndRemove, Some(1_000.0), 10),
        in_team("exec, 10 of 1,000, 200 devices, 50 profiles", 1_000, 200, 50, ExecAsked, Some(2.0), 200),
        in_team("exec, 10 of 1,000, 200 devices, 50 profiles, changed file", 1_000, 200, 50, ExecAnew, None, 100),
        in_team("add and remove, 200 devices, 50 profiles", 1_000, 200, 50, AddAndRemove, Some(1_000.0), 5),
    ]
    .into_iter()
}

/// Runs the wanted cases below `parent` and prints their figures.
pub(crate) fn run(parent: &Path, launcher: &Path, vault: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<()> {
    let mut rows = Vec::new();
    let mut sizes: Vec<Size> = Vec::new();
    for case in all().filter(|case| wanted(&case.name)) {
        if !sizes.contains(&case.size) {
            sizes.push(case.size);
        }
    }
    for size in sizes {
        let world = World::new(parent, size)?;
        for case in all().filter(|case| case.size == size && wanted(&case.name)) {
            rows.push(case.measure(&world, launcher, vault)?);
        }
    }
    table::print(
        &["command", "launcher", "vault", "ratio", "added", "target", "of target", "wall", "launcher wall", "peak MiB"],
        &rows,
    );
    Ok(())
}

impl Case {
    /// A row of the table. The launcher and the command take turns, so that what else
    /// the machine does meets both.
    fn measure(&self, world: &World, launcher: &Path, vault: &Path) -> Outcome<Vec<String>> {
        let (mut ours, mut yardstick) = (Vec::new(), Vec::new());
        if self.kind == Kind::ExecUnlocked {
            measure::run(world.command(vault).arg("unlock"))?;
        }
        if self.is_exec() {
            for _ in 0..2 {
                measure::run(&mut self.command(world, vault, 0)?)?;
                std::thread::sleep(REST);
            }
            measure::run(&mut self.command(world, vault, 0)?)?;
        }
        for round in 0..=self.rounds {
            if self.kind == Kind::ExecAnew {
                world.forget()?;
            }
            let usage = measure::run(world.command(launcher).arg("/bin/true"))?;
            let command = measure::run(&mut self.command(world, vault, round)?)?;
            // The first turn is for caches.
            if round > 0 {
                yardstick.push(usage);
                ours.push(command);
            }
        }
        if self.kind == Kind::ExecUnlocked {
            measure::run(world.command(vault).arg("lock"))?;
        }
        let cpu = |usages: &[Usage]| millis(median(usages.iter().map(|usage| usage.cpu)));
        let wall = |usages: &[Usage]| millis(median(usages.iter().map(|usage| usage.wall)));
        let added = cpu(&ours) - cpu(&yardstick);
        // The launcher starts `/bin/true`, as `exec` does; the other commands start nothing.
        let counts = if self.is_exec() { added } else { cpu(&ours) };
        let peak = median(ours.iter().map(|usage| usage.peak));
        Ok(vec![
            self.name.clone(),
            format!("{:.2}", cpu(&yardstick)),
            format!("{:.2}", cpu(&ours)),
            format!("{:.1}", cpu(&ours) / cpu(&yardstick)),
            format!("{added:.2}"),
            self.target.map_or_else(String::new, |target| format!("{target:.1}")),
            self.target.map_or_else(String::new, |target| format!("{:.0} %", 100.0 * counts / target)),
            format!("{:.2}", wall(&ours)),
            format!("{:.2}", wall(&yardstick)),
            format!("{:.1}", f64::from(i32::try_from(peak)?) / 1024.0),
        ])
    }

    fn is_exec(&self) -> bool {
        matches!(self.kind, Kind::ExecAll | Kind::ExecAnew | Kind::ExecAsked | Kind::ExecUnlocked)
    }

    fn command(&self, world: &World, vault: &Path, round: usize) -> Outcome<Command> {
        let mut command = world.command(vault);
        match self.kind {
            Kind::ExecAll | Kind::ExecUnlocked => command.args(["exec", "--", "/bin/true"]),
            Kind::ExecAsked | Kind::ExecAnew => {
                let step = self.size.secrets / ASKED;
                let names: Vec<String> = (0..ASKED).map(|n| name(n * step)).collect();
                command.args(["exec", "--only", &names.join(","), "--", "/bin/true"])
            }
            Kind::Set => {
                // Another value each time, or nothing would be written.
                let value = world.path().join("value");
                std::fs::write(&value, format!("value-{round}"))?;
                command.args(["set", &name(500), "-"]).stdin(File::open(value)?)
            }
            Kind::List => command.arg("list"),
            Kind::Rotation => command.arg("rotation"),
            Kind::Verify => command.arg("verify"),
            Kind::AddAndRemove => {
                // Names are never used again.
                let script = r#"set -e; program=$1; name=guest-$2; recipient=$3; shift 3
                    "$program" member add "$name" --recipient "$recipient" "$@" >/dev/null
                    "$program" member remove "$name""#;
                let recipient = IdentityKey::generate()?.recipient().to_string();
                let mut shell = world.command(Path::new("/bin/sh"));
                shell.args(["-c", script, "sh"]).arg(vault).args([round.to_string(), recipient]);
                for number in 0..self.size.profiles {
                    shell.args(["--read", &profile(number)]);
                }
                return Ok(shell);
            }
            Kind::Version => command.arg("--version"),
        };
        Ok(command)
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
