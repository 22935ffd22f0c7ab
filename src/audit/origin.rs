//! Who did it and from where, as the caller found out.

use super::Error;
use super::event::check_text;

/// Who and where. Gathered by the caller; the device is the log's own.
///
/// Each text is at most [`MAX_TEXT`](super::MAX_TEXT) bytes. What is not UTF-8
/// comes in with replacement characters.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name of the operating system's user, or the numeric user id.
    pub user: String,
    /// The member, where known.
    pub member: Option<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The name of the parent program.
    pub parent: Option<String>,
    /// True if a terminal is attached.
    pub tty: bool,
    /// The CI provider, see [`ci_from`].
    pub ci: Option<String>,
    /// The coding agent, see [`agent_from`].
    pub agent: Option<String>,
}

impl Origin {
    pub(super) fn check(&self) -> Result<(), Error> {
        check_text("user", Some(&self.user))?;
        check_text("member", self.member.as_deref())?;
        check_text("cwd", self.cwd.as_deref())?;
        check_text("parent", self.parent.as_deref())?;
        check_text("ci", self.ci.as_deref())?;
        check_text("agent", self.agent.as_deref())
    }
}

/// First hit wins: forges that imitate another's variables come before it, the
/// variable that everybody sets comes last.
const CI: [(&str, &str); 32] = [
    ("FORGEJO_ACTIONS", "forgejo-actions"),
    ("GITEA_ACTIONS", "gitea-actions"),
    ("GITHUB_ACTIONS", "github-actions"),
    ("GITLAB_CI", "gitlab-ci"),
    ("BUILDKITE", "buildkite"),
    ("CIRCLECI", "circleci"),
    ("JENKINS_URL", "jenkins"),
    ("TF_BUILD", "azure-pipelines"),
    ("BITBUCKET_BUILD_NUMBER", "bitbucket-pipelines"),
    ("CODEBUILD_BUILD_ID", "aws-codebuild"),
    ("TEAMCITY_VERSION", "teamcity"),
    ("TRAVIS", "travis-ci"),
    ("DRONE", "drone"),
    ("APPVEYOR", "appveyor"),
    ("SEMAPHORE", "semaphore"),
    ("CIRRUS_CI", "cirrus-ci"),
    ("bamboo_planKey", "bamboo"),
    ("CF_BUILD_ID", "codefresh"),
    ("BITRISE_IO", "bitrise"),
    ("BUDDY_WORKSPACE_ID", "buddy"),
    ("HARNESS_BUILD_ID", "harness"),
    ("VELA", "vela"),
    ("CM_BUILD_ID", "codemagic"),
    ("GO_PIPELINE_LABEL", "gocd"),
    ("SCREWDRIVER", "screwdriver"),
    ("CI_XCODE_PROJECT", "xcode-cloud"),
    ("BUILDER_OUTPUT", "google-cloud-build"),
    ("NETLIFY", "netlify"),
    ("VERCEL", "vercel"),
    ("CF_PAGES", "cloudflare-pages"),
    ("RENDER", "render"),
    ("CI", "ci"),
];

const AGENTS: [(&str, &str); 23] = [
    ("CLAUDECODE", "claude-code"),
    ("CLAUDE_CODE", "claude-code"),
    ("CURSOR_AGENT", "cursor"),
    ("CURSOR_TRACE_ID", "cursor"),
    ("GEMINI_CLI", "gemini-cli"),
    ("CODEX_SANDBOX", "codex"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "codex"),
    ("CODEX_THREAD_ID", "codex"),
    ("CODEX_CI", "codex"),
    ("CLINE_ACTIVE", "cline"),
    ("COPILOT_AGENT", "copilot"),
    ("COPILOT_CLI", "copilot"),
    ("ANTIGRAVITY_AGENT", "antigravity"),
    ("QWEN_CODE", "qwen-code"),
    ("TRAE_AI_SHELL_ID", "trae"),
    ("AUGMENT_AGENT", "augment"),
    ("OPENCODE", "opencode"),
    ("OPENCODE_CLIENT", "opencode"),
    ("GOOSE_TERMINAL", "goose"),
    ("AIDER_CHAT_HISTORY_FILE", "aider"),
    ("AIDER_MODEL", "aider"),
    ("REPL_ID", "replit"),
    ("AI_AGENT", "agent"),
];

/// The CI provider whose usual variable is set, told by `is_set`. A claim of
/// the environment, not a proof: whoever sets the variable gets the name.
#[must_use]
pub fn ci_from(is_set: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    CI.iter().find(|(variable, _)| is_set(variable)).map(|(_, name)| *name)
}

/// The coding agent whose usual variable is set, told by `is_set`. A claim of
/// the environment, not a proof.
#[must_use]
pub fn agent_from(is_set: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    AGENTS.iter().find(|(variable, _)| is_set(variable)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_variable_wins() {
        for (set, want) in [
            (&["CI", "GITHUB_ACTIONS"][..], Some("github-actions")),
            (&["CI", "GITHUB_ACTIONS", "FORGEJO_ACTIONS"], Some("forgejo-actions")),
            (&["CI"], Some("ci")),
            (&["HOME"], None),
        ] {
            assert_eq!(ci_from(&|name| set.contains(&name)), want, "{set:?}");
        }
        assert_eq!(agent_from(&|name| name == "CURSOR_TRACE_ID"), Some("cursor"));
        assert_eq!(agent_from(&|name| name == "CI"), None);
    }

    #[test]
    fn the_document_lists_every_variable() {
        let document = include_str!("../../docs/audit.md");
        for (variable, name) in CI.iter().chain(&AGENTS) {
            let mut rows = document.lines().filter(|line| line.starts_with(&format!("| `{name}` |")));
            assert!(rows.any(|row| row.contains(&format!("`{variable}`"))), "{name}: {variable}");
        }
    }
}
