//! A web server on loopback for one test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// What follows `Authorization: Bearer `.
    pub(crate) bearer: String,
    pub(crate) body: String,
}

/// Answers requests one after the other with a status and a body, as long as the test
/// runs. Gives its address, `http://127.0.0.1:PORT`.
pub(crate) fn serve(mut answer: impl FnMut(Request) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let header = |name: &str| {
                let found = lines.iter().filter_map(|line| line.split_once(": "));
                found
                    .into_iter()
                    .find(|(header, _)| header.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_owned())
            };
            let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let mut words = lines[0].split(' ').map(str::to_owned);
            let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
            let (status, text) = answer(Request {
                method: words.next().unwrap(),
                path: words.next().unwrap(),
                bearer: bearer.unwrap_or_default(),
                body: String::from_utf8(body).unwrap(),
            });
            let length = text.len();
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
                .unwrap();
        }
    });
    address
}
