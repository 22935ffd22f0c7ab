//! The providers, as data. Forms of values are those of public secret-scanner
//! rule sets; what is general knowledge only is marked `unconfirmed`, or
//! `shared` for a variable, and never makes a value wrong.
//!
//! Long because it is one table.

use super::shape::Alphabet::{Base32, Base62, Dotted, Hex, Printable, Word};
use super::shape::Body::{Anything, Chars, Checksummed, Ending, Marked, ServiceAccount};
use super::shape::{Alphabet, Body, Claim, Shape};
use super::{Allows, Provider, Variable};

/// A form that is recognised by its start.
const fn starting(starts: &'static [&'static str], body: Body) -> Shape {
    Shape { starts, body, claim: Claim::Start, confirmed: true }
}

/// A form that is recognised as a whole.
const fn whole(starts: &'static [&'static str], body: Body) -> Shape {
    Shape { starts, body, claim: Claim::Whole, confirmed: true }
}

/// A form that only the name of the secret gives a meaning.
const fn nameless(starts: &'static [&'static str], body: Body) -> Shape {
    Shape { starts, body, claim: Claim::Nothing, confirmed: true }
}

/// A form that keeps a named value from being called wrong, and says no more.
const fn unconfirmed(starts: &'static [&'static str], body: Body) -> Shape {
    Shape { starts, body, claim: Claim::Nothing, confirmed: false }
}

const fn exactly(of: Alphabet, len: usize) -> Body {
    Chars { of, min: len, max: len }
}

const fn at_least(of: Alphabet, min: usize) -> Body {
    Chars { of, min, max: usize::MAX }
}

/// A variable that carries any value of the provider, and no others.
const fn variable(name: &'static str) -> Variable {
    Variable { name, allows: Allows::Nothing, shapes: None }
}

/// A variable that carries certain values of the provider, and no others.
const fn variable_of(name: &'static str, shapes: &'static [Shape]) -> Variable {
    Variable { name, allows: Allows::Nothing, shapes: Some(shapes) }
}

/// A variable that carries further forms of values too.
const fn lenient(name: &'static str) -> Variable {
    Variable { name, allows: Allows::OtherForms, shapes: None }
}

/// A variable that carries values of other issuers too.
const fn shared(name: &'static str) -> Variable {
    Variable { name, allows: Allows::OtherIssuers, shapes: None }
}

const AWS_KEY_ID: Shape = whole(&["AKIA", "ASIA"], exactly(Base32, 16));
const DATADOG_API: Shape = nameless(&[""], exactly(Hex, 32));
const DATADOG_APP: Shape = nameless(&[""], exactly(Base62, 40));
const SUPABASE_ACCOUNT: Shape = whole(&["sbp_"], at_least(Word, 40));
const SUPABASE_PROJECT: Shape = starting(&["sb_secret_"], at_least(Word, 10));
const TWILIO_KEY: Shape = whole(&["SK"], exactly(Hex, 32));

const GITHUB_VARIABLES: &[Variable] = &[variable("GITHUB_TOKEN"), variable("GH_TOKEN")];

/// What most entries have in common.
const PLAIN: Provider = Provider {
    id: "",
    name: "",
    console: "",
    api: "unknown",
    rotate_days: Some(90),
    check: None,
    group: &[],
    variables: &[],
    shapes: &[],
};

pub(super) static PROVIDERS: &[Provider] = &[
    Provider {
        id: "openai",
        name: "OpenAI",
        console: "platform.openai.com/api-keys",
        api: "yes, service-account keys with an admin key",
        check: Some("GET api.openai.com/v1/me"),
        variables: &[variable("OPENAI_API_KEY")],
        shapes: &[
            starting(&["sk-proj-", "sk-svcacct-", "sk-admin-"], Marked { of: Word, mark: "T3BlbkFJ", around: 20 }),
            whole(&["sk-"], Marked { of: Word, mark: "T3BlbkFJ", around: 20 }),
        ],
        ..PLAIN
    },
    Provider {
        id: "anthropic",
        name: "Anthropic",
        console: "platform.claude.com, Settings, API keys",
        api: "retire only",
        check: Some("GET api.anthropic.com/v1/models"),
        variables: &[variable("ANTHROPIC_API_KEY")],
        shapes: &[
            starting(&["sk-ant-api03-"], Ending { of: Word, len: 95, end: "AA" }),
            Shape { starts: &["sk-ant-"], body: Anything, claim: Claim::Start, confirmed: false },
        ],
        ..PLAIN
    },
    Provider {
        id: "aws",
        name: "AWS IAM",
        console: "console.aws.amazon.com/iam, the user's security credentials",
        api: "yes, two keys per user",
        check: Some("STS GetCallerIdentity"),
        group: &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
        variables: &[variable_of("AWS_ACCESS_KEY_ID", &[AWS_KEY_ID]), variable_of("AWS_SECRET_ACCESS_KEY", &[])],
        shapes: &[AWS_KEY_ID],
        ..PLAIN
    },
    Provider {
        id: "github",
        name: "GitHub",
        console: "github.com/settings/tokens",
        api: "no",
        check: Some("GET api.github.com/user"),
        variables: GITHUB_VARIABLES,
        shapes: &[
            starting(&["ghp_"], Checksummed { random: 30 }),
            unconfirmed(&["gho_", "ghu_", "ghs_", "ghr_"], Anything),
            unconfirmed(&[""], exactly(Hex, 40)),
        ],
        ..PLAIN
    },
    Provider {
        id: "github-fine-grained",
        name: "GitHub (fine-grained)",
        console: "github.com/settings/personal-access-tokens",
        api: "no",
        check: Some("GET api.github.com/user"),
        variables: GITHUB_VARIABLES,
        shapes: &[starting(&["github_pat_"], exactly(Word, 82))],
        ..PLAIN
    },
    Provider {
        id: "gitlab",
        name: "GitLab",
        console: "gitlab.com/-/user_settings/personal_access_tokens",
        api: "yes, without overlap: the old token dies at once",
        check: Some("GET /api/v4/personal_access_tokens/self"),
        variables: &[lenient("GITLAB_TOKEN")],
        // A self-managed GitLab chooses its own prefix.
        shapes: &[starting(&["glpat-"], at_least(Dotted, 20))],
        ..PLAIN
    },
    Provider {
        id: "stripe",
        name: "Stripe",
        console: "dashboard.stripe.com/apikeys",
        api: "yes",
        check: Some("GET api.stripe.com/v1/charges"),
        variables: &[variable("STRIPE_SECRET_KEY"), variable("STRIPE_API_KEY"), shared("STRIPE_KEY")],
        shapes: &[
            // Others write sk_live_ too; Stripe's own go on with 51.
            starting(&["sk_test_51", "sk_live_51", "rk_test_51", "rk_live_51"], at_least(Base62, 8)),
            nameless(&["sk_test_", "sk_live_", "rk_test_", "rk_live_"], at_least(Base62, 10)),
            unconfirmed(&["sk_org_"], Anything),
        ],
        ..PLAIN
    },
    Provider {
        id: "google",
        name: "Google API",
        console: "console.cloud.google.com/apis/credentials",
        api: "yes",
        check: Some("GET generativelanguage.googleapis.com/v1/models"),
        variables: &[variable("GEMINI_API_KEY"), variable("GOOGLE_API_KEY")],
        shapes: &[whole(&["AIza"], exactly(Word, 35)), unconfirmed(&["AQ."], Anything)],
        ..PLAIN
    },
    Provider {
        id: "gcp",
        name: "GCP service account",
        console: "console.cloud.google.com/iam-admin/serviceaccounts",
        api: "yes, at most 10 keys per account",
        check: Some("token exchange"),
        variables: &[lenient("GOOGLE_APPLICATION_CREDENTIALS")],
        // Also a path, or another kind of credential file.
        shapes: &[unconfirmed(&["{"], Anything), whole(&["{"], ServiceAccount)],
        ..PLAIN
    },
    Provider {
        id: "azure",
        name: "Azure client secret",
        console: "entra.microsoft.com",
        api: "yes",
        rotate_days: Some(180),
        check: Some("OAuth token request with the client credentials"),
        variables: &[variable("AZURE_CLIENT_SECRET")],
        shapes: &[nameless(&[""], Marked { of: Printable, mark: "Q~", around: 1 })],
        ..PLAIN
    },
    Provider {
        id: "slack",
        name: "Slack",
        console: "api.slack.com/apps",
        api: "opt-in",
        rotate_days: Some(180),
        check: Some("POST slack.com/api/auth.test"),
        variables: &[variable("SLACK_BOT_TOKEN")],
        shapes: &[
            starting(&["xoxb-", "xoxp-", "xapp-"], at_least(Word, 20)),
            unconfirmed(&["xoxa-", "xoxe.", "xoxe-"], Anything),
        ],
        ..PLAIN
    },
    Provider {
        id: "twilio",
        name: "Twilio",
        console: "console.twilio.com",
        api: "yes; allow 60 s for a new key to work everywhere",
        group: &["TWILIO_API_KEY", "TWILIO_API_SECRET"],
        variables: &[
            variable_of("TWILIO_API_KEY", &[TWILIO_KEY]),
            variable_of("TWILIO_API_SECRET", &[]),
            variable_of("TWILIO_AUTH_TOKEN", &[]),
        ],
        shapes: &[TWILIO_KEY],
        ..PLAIN
    },
    Provider {
        id: "sendgrid",
        name: "SendGrid",
        console: "app.sendgrid.com/settings/api_keys",
        api: "yes",
        check: Some("GET api.sendgrid.com/v3/scopes"),
        variables: &[variable("SENDGRID_API_KEY")],
        shapes: &[whole(&["SG."], exactly(Dotted, 66))],
        ..PLAIN
    },
    Provider {
        id: "cloudflare",
        name: "Cloudflare",
        console: "dash.cloudflare.com/profile/api-tokens",
        api: "create and delete; \"roll\" kills the old token at once",
        check: Some("GET api.cloudflare.com/client/v4/user/tokens/verify"),
        variables: &[variable("CLOUDFLARE_API_TOKEN")],
        shapes: &[starting(&["cfut_", "cfat_", "cfk_"], at_least(Word, 41)), nameless(&[""], exactly(Word, 40))],
        ..PLAIN
    },
    Provider {
        id: "datadog",
        name: "Datadog",
        console: "app.datadoghq.com, Organization Settings",
        api: "yes",
        rotate_days: Some(180),
        check: Some("GET api.datadoghq.com/api/v1/validate"),
        variables: &[variable_of("DD_API_KEY", &[DATADOG_API]), variable_of("DD_APP_KEY", &[DATADOG_APP])],
        shapes: &[DATADOG_API, DATADOG_APP],
        ..PLAIN
    },
    Provider {
        id: "npm",
        name: "npm",
        console: "npmjs.com, account, access tokens",
        api: "no",
        check: Some("GET registry.npmjs.org/-/whoami"),
        // Other registries read it too.
        variables: &[shared("NPM_TOKEN")],
        shapes: &[starting(&["npm_"], Checksummed { random: 30 })],
        ..PLAIN
    },
    Provider {
        id: "pypi",
        name: "PyPI",
        console: "pypi.org, account settings, API tokens",
        api: "no",
        rotate_days: Some(180),
        // Other indexes read them too.
        variables: &[shared("TWINE_PASSWORD"), shared("UV_PUBLISH_TOKEN")],
        shapes: &[starting(&["pypi-AgEIcHlwaS5vcmc"], at_least(Word, 50))],
        ..PLAIN
    },
    Provider {
        id: "huggingface",
        name: "Hugging Face",
        console: "huggingface.co/settings/tokens",
        api: "no",
        check: Some("GET huggingface.co/api/whoami-v2"),
        variables: &[variable("HF_TOKEN")],
        shapes: &[whole(&["hf_"], exactly(Base62, 34))],
        ..PLAIN
    },
    Provider {
        id: "openrouter",
        name: "OpenRouter",
        console: "openrouter.ai/settings/keys",
        api: "yes",
        check: Some("GET openrouter.ai/api/v1/key"),
        variables: &[variable("OPENROUTER_API_KEY")],
        shapes: &[starting(&["sk-or-v1-"], exactly(Hex, 64))],
        ..PLAIN
    },
    Provider {
        id: "groq",
        name: "Groq",
        console: "console.groq.com/keys",
        api: "no",
        check: Some("GET api.groq.com/openai/v1/models"),
        variables: &[variable("GROQ_API_KEY")],
        shapes: &[whole(&["gsk_"], exactly(Base62, 52))],
        ..PLAIN
    },
    Provider {
        id: "xai",
        name: "xAI",
        console: "console.x.ai",
        check: Some("GET api.x.ai/v1/api-key"),
        variables: &[variable("XAI_API_KEY")],
        shapes: &[whole(&["xai-"], exactly(Word, 80))],
        ..PLAIN
    },
    Provider {
        id: "perplexity",
        name: "Perplexity",
        console: "perplexity.ai/settings/api",
        variables: &[variable("PERPLEXITY_API_KEY")],
        shapes: &[starting(&["pplx-"], exactly(Base62, 48))],
        ..PLAIN
    },
    Provider {
        id: "databricks",
        name: "Databricks",
        console: "the workspace's settings, Developer, Access tokens",
        api: "yes",
        variables: &[lenient("DATABRICKS_TOKEN")],
        shapes: &[unconfirmed(&["dapi"], exactly(Word, 34)), whole(&["dapi"], exactly(Hex, 32))],
        ..PLAIN
    },
    Provider {
        id: "digitalocean",
        name: "DigitalOcean",
        console: "cloud.digitalocean.com/account/api",
        api: "no",
        check: Some("GET api.digitalocean.com/v2/account"),
        variables: &[variable("DIGITALOCEAN_ACCESS_TOKEN")],
        shapes: &[starting(&["dop_v1_"], exactly(Hex, 64)), unconfirmed(&["doo_v1_"], Anything)],
        ..PLAIN
    },
    Provider {
        id: "supabase",
        name: "Supabase",
        console: "supabase.com/dashboard/account/tokens",
        api: "project keys",
        rotate_days: Some(180),
        check: Some("GET api.supabase.com/v1/projects"),
        variables: &[
            variable_of("SUPABASE_ACCESS_TOKEN", &[SUPABASE_ACCOUNT]),
            // Older projects have a JSON web token.
            variable_of("SUPABASE_SECRET_KEY", &[SUPABASE_PROJECT, unconfirmed(&["ey"], Anything)]),
        ],
        shapes: &[SUPABASE_ACCOUNT, SUPABASE_PROJECT],
        ..PLAIN
    },
    Provider {
        id: "dockerhub",
        name: "Docker Hub",
        console: "app.docker.com/settings",
        rotate_days: Some(180),
        variables: &[shared("DOCKER_TOKEN")],
        shapes: &[starting(&["dckr_pat_"], exactly(Word, 27))],
        ..PLAIN
    },
    Provider {
        id: "hashicorp-vault",
        name: "HashiCorp Vault or OpenBao",
        console: "the server that issued it: vault token create",
        api: "renew, revoke",
        rotate_days: None,
        check: Some("GET /v1/auth/token/lookup-self"),
        variables: &[lenient("VAULT_TOKEN")],
        // Root tokens are shorter, and tokens of older servers start otherwise.
        shapes: &[unconfirmed(&["hvs."], Anything), whole(&["hvs."], Chars { of: Word, min: 90, max: 120 })],
        ..PLAIN
    },
];
