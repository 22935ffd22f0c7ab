//! The rotator that is shipped, against a PostgreSQL server on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::harness::Project;

struct Server {
    directory: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
}

impl Server {
    /// `None` where PostgreSQL is not installed, which is an error under `CI=true`.
    fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
        let bin = versions.and_then(|mut found| found.next()).map(|entry| entry.unwrap().path().join("bin"));
        let Some(bin) = bin else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { directory: tempfile::tempdir().unwrap(), bin, port };
        let path = server.directory.path().display().to_string();
        // It refuses to run as root.
        assert!(Command::new("chown").args(["postgres", &path]).status().unwrap().success());
        std::fs::write(server.directory.path().join("password"), "admin-password\n").unwrap();
        let options =
            format!("-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={path} -c fsync=off");
        server.postgres(
            "initdb",
            &["-A", "scram-sha-256", "-U", "admin", "--pwfile", &format!("{path}/password"), &format!("{path}/data")],
        );
        server.postgres(
            "pg_ctl",
            &["-w", "-s", "-l", &format!("{path}/log"), "-o", &options, "-D", &format!("{path}/data"), "start"],
        );
        Some(server)
    }

    fn postgres(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(self.bin.join(program)).args(arguments);
        let status = command.current_dir("/").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{program}");
    }

    fn url(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Whether a URL logs in.
    fn accepts(&self, url: &str) -> bool {
        let mut command = Command::new(self.bin.join("psql"));
        command.args([url, "-c", "SELECT 1"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.directory.path().join("data").display().to_string();
        self.postgres("pg_ctl", &["-s", "-m", "immediate", "-D", &data, "stop"]);
    }
}

/// A program that logs in again and again with the value it was started with, until the
/// file that is its argument is there, and writes down every time that failed.
const PROGRAM: &str = "while ! test -e $0; do psql \"$DATABASE_URL\" -qc 'SELECT 1' >/dev/null 2>>failed || echo no >> failed; \
                       echo yes >> tried; done";

#[test]
fn a_role_is_rotated_while_programs_keep_working() {
    let Some(server) = Server::start() else { return };
    let project = Project::new();
    let admin = server.url("admin", "admin-password");
    let first = server.url("app_a", "first");
    let roles = "CREATE ROLE app_a LOGIN PASSWORD 'first'; CREATE ROLE app_b NOLOGIN;";
    assert!(Command::new(server.bin.join("psql")).args([&admin, "-qc", roles]).status().unwrap().success());
    project.set("PG_ADMIN_URL", &admin, &[]);
    project.set("DATABASE_URL", &first, &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rotators/postgres.py");
    let line = format!("/usr/bin/python3 {} app_a app_b", script.display());
    let vault = env!("CARGO_BIN_EXE_vault");
    let rotate = |more: &[&str]| {
        let mut arguments =
            vec!["exec", "--only", "PG_ADMIN_URL", "--", vault, "rotate", "DATABASE_URL", "--run", &line];
        arguments.extend(more);
        let ran = project.run(&arguments);
        assert_eq!(ran.code, 0, "{more:?}: {}", ran.err);
        assert!(!ran.err.contains("admin-password") && !ran.err.contains("first"));
    };
    let start = |stop: &str| {
        project.command(&["exec", "--only", "DATABASE_URL", "--", "sh", "-c", PROGRAM, stop]).spawn().unwrap()
    };
    let end = |mut child: std::process::Child, stop: &str| {
        std::fs::write(project.dir().join(stop), "").unwrap();
        child.wait().unwrap();
        let failed = std::fs::read_to_string(project.dir().join("failed")).unwrap_or_default();
        assert_eq!(failed, "", "{stop}");
        assert!(std::fs::read(project.dir().join("tried")).unwrap().len() > 4);
    };
    let mut before = first;
    for round in 0..3 {
        let (first_stop, second_stop) = (format!("stop-{round}-old"), format!("stop-{round}-new"));
        let old_program = start(&first_stop);
        rotate(&["--grace", "1d"]);
        let now = project.ok(&["get", "DATABASE_URL"]);
        assert!(now.contains(if round % 2 == 0 { "app_b:" } else { "app_a:" }));
        assert!(server.accepts(&before) && server.accepts(&now), "both work in the grace");
        let new_program = start(&second_stop);
        std::thread::sleep(std::time::Duration::from_millis(300));
        end(old_program, &first_stop);
        rotate(&["--revoke"]);
        assert!(!server.accepts(&before) && server.accepts(&now), "the old one is refused");
        std::thread::sleep(std::time::Duration::from_millis(300));
        end(new_program, &second_stop);
        before = now;
    }
    let log = std::fs::read_to_string(server.directory.path().join("log")).unwrap();
    let password = before.split(':').nth(2).unwrap().split('@').next().unwrap();
    assert!(!log.contains(password));
}
