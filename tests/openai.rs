//! The real `openai` client under `vault exec`: the key reaches its request, and
//! nothing else sees it.
//!
//! Needs a Python with the package `openai`: `target/venv`, which `scripts/test.sh`
//! makes, or what `PYTHON_WITH_OPENAI` names.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files, and run other programs")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const VAULT: &str = env!("CARGO_BIN_EXE_vault");
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// How long the client may take to come up and ask.
const PATIENCE: Duration = Duration::from_secs(60);

const ANSWER: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"made-up","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"the server has answered"}}]}"#;

/// A Python that can import the client; `None`, and said so, if there is none.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("PYTHON_WITH_OPENAI").map(PathBuf::from);
    let python = named.unwrap_or_else(|| Path::new(CHECKOUT).join("target/venv/bin/python"));
    let imported = Command::new(&python).args(["-I", "-c", "import openai"]).output();
    if imported.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} cannot import openai", python.display());
    // Past the capture of test output: nothing is left out in silence.
    let _ = writeln!(std::io::stderr(), "not run: openai: {} cannot import it; see scripts/test.sh", python.display());
    None
}

/// Waits for the client's request; gives the connection and the request's head.
fn request(listener: &TcpListener) -> (TcpStream, String) {
    listener.set_nonblocking(true).unwrap();
    let mut waited = Duration::ZERO;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && waited < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
                waited += Duration::from_millis(20);
            }
            Err(error) => panic!("no request: {error}"),
        }
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head).unwrap();
        let line = head[start..].trim().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (reader.into_inner(), head)
}

/// A key in the shape of OpenAI's, new in every run, and in no file of this repository.
fn made_up_key() -> String {
    let mut random = [0; 24];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    format!("sk-proj-{}", hex(&random))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key as it could stand in a file: raw, in hex, and in base64 at each of three positions.
fn spellings(key: &str) -> Vec<Vec<u8>> {
    let mut all = vec![key.as_bytes().to_vec(), hex(key.as_bytes()).into_bytes()];
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], key.as_bytes()].concat();
        let text = data_encoding::BASE64.encode(&shifted);
        // Without the ends, which depend on what stands around.
        all.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    all
}

fn holds(text: &[u8], spellings: &[Vec<u8>]) -> bool {
    spellings.iter().any(|spelling| memchr::memmem::find(text, spelling).is_some())
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn the_key_reaches_the_client_and_nothing_else() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let [home, project, temporary] = ["home", "project", "tmp"].map(|name| root.join(name));
    for path in [&home, &project, &temporary] {
        fs::create_dir(path).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let vault = |arguments: &[&str]| {
        let mut command = Command::new(VAULT);
        command.args(arguments).current_dir(&project).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", &home).env("USER", "alice").env("TMPDIR", &temporary).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("OPENAI_BASE_URL", format!("http://{}/v1", listener.local_addr().unwrap()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let key = made_up_key();
    let spellings = spellings(&key);
    let mut said = Vec::new();

    let done = vault(&["init", "--device", "alice-laptop"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    said.extend([done.stdout, done.stderr]);
    let mut set = vault(&["set", "OPENAI_API_KEY", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    let done = set.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    said.extend([done.stdout, done.stderr]);

    let client = Path::new(CHECKOUT).join("tests/openai/client.py");
    let child = vault(&["exec", "--"]).arg(&python).arg("-I").arg(&client).spawn().unwrap();
    let (mut connection, head) = request(&listener);
    let authorization = format!("authorization: Bearer {key}");
    assert!(head.lines().any(|line| line.eq_ignore_ascii_case(&authorization)), "another key, or none");

    // The client waits for its answer: look at every process there is.
    let (mut seen, mut looked_at) = (Vec::new(), 0);
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(pid) = entry.unwrap().file_name().to_string_lossy().parse::<u32>() else { continue };
        for what in ["cmdline", "environ", "comm"] {
            // Processes come and go, and those of others cannot be read.
            let Ok(text) = fs::read(format!("/proc/{pid}/{what}")) else { continue };
            looked_at += 1;
            if holds(&text, &spellings) {
                seen.push((pid, what));
            }
        }
    }
    assert_eq!(seen, [(child.id(), "environ")], "only the client, which is the process that was vault");
    assert!(looked_at > 6, "{looked_at}");

    write!(connection, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", ANSWER.len())
        .unwrap();
    connection.write_all(ANSWER.as_bytes()).unwrap();
    drop(connection);
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.stdout, b"the server has answered\n");
    said.extend([done.stdout, done.stderr]);

    let done = vault(&["audit", "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("\"OPENAI_API_KEY\""), "the use is on record");
    said.extend([done.stdout, done.stderr]);
    assert!(said.iter().all(|text| !holds(text, &spellings)), "shown");

    let files = files(&root);
    for name in ["vault.toml", "alice-laptop.jsonl", "identity"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "{name} was not looked at: {files:?}");
    }
    for path in files {
        assert!(!holds(&fs::read(&path).unwrap(), &spellings), "{}", path.display());
    }
}
