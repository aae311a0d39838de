//! Clients in other languages, run as their users run them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::SOON;

/// Longer than a script itself waits for anything, so that it says what did not come.
const PATIENCE: Duration = SOON.saturating_mul(3);

/// The interpreters that `tests/services/with-services.sh` prepares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Node, with the packages of `tests/clients/js`.
    JavaScript,
    /// Python, with those of `tests/clients/py`.
    Python,
}

/// Where the client scripts and their packages are.
#[must_use]
pub fn clients(language: Language) -> PathBuf {
    let folder = match language {
        Language::JavaScript => "js",
        Language::Python => "py",
    };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(folder)
}

/// A script that runs.
#[derive(Debug)]
pub struct Script {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: ChildStderr,
    said: Vec<String>,
}

impl Script {
    /// Runs a script with arguments and environment.
    ///
    /// # Panics
    /// When the interpreter is missing.
    #[must_use]
    pub fn start(
        language: Language,
        file: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let interpreter = match language {
            Language::JavaScript => "node".into(),
            Language::Python => std::env::var_os("BATON_TEST_PYTHON").unwrap_or_else(|| {
                panic!(
                    "BATON_TEST_PYTHON is not set: run this through tests/services/with-services.sh"
                )
            }),
        };
        let mut child = Command::new(interpreter)
            .arg(file)
            .args(arguments)
            .envs(environment.iter().copied())
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter can be run");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let errors = child.stderr.take().expect("stderr is piped");
        Self {
            name: file.display().to_string(),
            child,
            lines,
            errors,
            said: Vec::new(),
        }
    }

    /// Reads its output up to a line that begins with `start`; gives that line.
    ///
    /// # Panics
    /// When it ends before, or is silent for too long.
    pub async fn says(&mut self, start: &str) -> String {
        loop {
            match timeout(PATIENCE, self.lines.next_line()).await {
                Ok(Ok(Some(line))) if line.starts_with(start) => {
                    self.said.push(line.clone());
                    return line;
                }
                Ok(Ok(Some(line))) => self.said.push(line),
                Ok(_) => panic!("ended without {start:?}: {}", self.story().await),
                Err(_) => panic!("did not say {start:?}: {}", self.story().await),
            }
        }
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Panics
    /// When it has ended already.
    pub async fn terminate(&self) {
        let pid = self.child.id().expect("the script runs").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill can be run");
        assert!(sent.success(), "{} could not be signalled", self.name);
    }

    /// Kills it at once (SIGKILL), and waits until it is gone.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the script can be killed");
    }

    /// Waits for its end, which must be a success; gives all that it said.
    ///
    /// # Panics
    /// When it fails, or does not end soon.
    pub async fn succeeds(mut self) -> Vec<String> {
        while let Ok(Ok(Some(line))) = timeout(PATIENCE, self.lines.next_line()).await {
            self.said.push(line);
        }
        match timeout(SOON, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => self.said,
            other => panic!("ended with {other:?}: {}", self.story().await),
        }
    }

    async fn story(&mut self) -> String {
        let mut errors = Vec::new();
        // What is there by now: a script that still runs never ends its stream.
        let _ = timeout(Duration::from_secs(1), self.errors.read_to_end(&mut errors)).await;
        format!(
            "{} said\n{}\n{}",
            self.name,
            self.said.join("\n"),
            String::from_utf8_lossy(&errors)
        )
    }
}
