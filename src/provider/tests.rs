//! Every value here is put together at run time from parts, so that no text in
//! the repository looks like a key.

use super::*;

/// `len` letters and digits, the same each time, all of them valid hexadecimal.
fn hex(len: usize) -> String {
    "0a1b2c3d4e5f6789".chars().cycle().take(len).collect()
}

fn join(parts: &[&str]) -> String {
    parts.concat()
}

fn checksummed(start: &str) -> String {
    let body = hex(30);
    join(&[start, &body, std::str::from_utf8(&checksum::of(body.as_bytes())).unwrap()])
}

/// A made-up value for each provider, with a variable that carries it.
fn samples() -> Vec<(&'static str, &'static str, String)> {
    let marked = join(&[&hex(58), "T3Blbk", "FJ", &hex(58)]);
    vec![
        ("openai", "OPENAI_API_KEY", join(&["sk-", "proj-", &marked])),
        ("anthropic", "ANTHROPIC_API_KEY", join(&["sk-", "ant-api03-", &hex(93), "AA"])),
        ("aws", "AWS_ACCESS_KEY_ID", join(&["AK", "IA", &"ABCDEF234567".repeat(2)[..16]])),
        ("github", "GITHUB_TOKEN", checksummed("ghp_")),
        ("github-fine-grained", "GH_TOKEN", join(&["github_", "pat_", &hex(82)])),
        ("gitlab", "GITLAB_TOKEN", join(&["glp", "at-", &hex(20)])),
        ("stripe", "STRIPE_API_KEY", join(&["sk_", "test_", "51", &hex(40)])),
        ("google", "GEMINI_API_KEY", join(&["AI", "za", &hex(35)])),
        ("gcp", "GOOGLE_APPLICATION_CREDENTIALS", "{\n  \"type\" : \"service_account\",\n  \"a\": 1\n}\n".to_owned()),
        ("azure", "AZURE_CLIENT_SECRET", join(&["abc8", "Q~", &hex(34)])),
        ("slack", "SLACK_BOT_TOKEN", join(&["xo", "xb-", &hex(40)])),
        ("twilio", "TWILIO_API_KEY", join(&["S", "K", &hex(32)])),
        ("sendgrid", "SENDGRID_API_KEY", join(&["S", "G.", &hex(22), ".", &hex(43)])),
        ("cloudflare", "CLOUDFLARE_API_TOKEN", join(&["cf", "ut_", &hex(48)])),
        ("datadog", "DD_API_KEY", hex(32)),
        ("npm", "NPM_TOKEN", checksummed("npm_")),
        ("pypi", "TWINE_PASSWORD", join(&["pypi-", "AgEIcHlwaS5vcmc", &hex(60)])),
        ("huggingface", "HF_TOKEN", join(&["h", "f_", &hex(34)])),
        ("openrouter", "OPENROUTER_API_KEY", join(&["sk-", "or-v1-", &hex(64)])),
        ("groq", "GROQ_API_KEY", join(&["gs", "k_", &hex(52)])),
        ("xai", "XAI_API_KEY", join(&["xa", "i-", &hex(80)])),
        ("perplexity", "PERPLEXITY_API_KEY", join(&["pp", "lx-", &hex(48)])),
        ("databricks", "DATABRICKS_TOKEN", join(&["da", "pi", &hex(32)])),
        ("digitalocean", "DIGITALOCEAN_ACCESS_TOKEN", join(&["dop", "_v1_", &hex(64)])),
        ("supabase", "SUPABASE_SECRET_KEY", join(&["sb_", "secret_", &hex(30)])),
        ("dockerhub", "DOCKER_TOKEN", join(&["dckr_", "pat_", &hex(27)])),
        ("hashicorp-vault", "VAULT_TOKEN", join(&["hv", "s.", &hex(95)])),
    ]
}

fn seen(name: &str, value: &str) -> Option<(&'static str, By, Form)> {
    detect(name, Some(value.as_bytes())).map(|d| (d.provider.id, d.by, d.form))
}

fn sample(id: &str) -> String {
    samples().into_iter().find(|(sample, ..)| *sample == id).unwrap().2
}

#[test]
fn each_provider_is_recognised_by_name_and_value() {
    let samples = samples();
    assert_eq!(samples.iter().map(|s| s.0).collect::<Vec<_>>(), all().iter().map(|p| p.id).collect::<Vec<_>>());
    for (id, name, value) in samples {
        assert_eq!(seen(name, &value), Some((id, By::Both, Form::Matches)), "{id}");
    }
}

#[test]
fn a_distinctive_value_is_recognised_under_any_name() {
    for (id, _, value) in samples() {
        let want = (!["azure", "datadog"].contains(&id)).then_some((id, By::Value, Form::Matches));
        assert_eq!(seen("SOME_KEY", &value), want, "{id}");
    }
}

#[test]
fn a_name_alone_says_nothing_about_the_form() {
    for provider in all() {
        for name in provider.variables() {
            for value in [None, Some(&b""[..])] {
                let found = detect(name, value).unwrap();
                assert_eq!((found.by, found.form), (By::Name, Form::Unknown), "{name}");
                assert!(found.provider.variables().any(|v| v == name), "{name}");
            }
        }
    }
}

#[test]
fn a_cut_value_is_a_mismatch_where_the_form_is_confirmed() {
    for (id, name, value) in samples() {
        let cut = &value[..value.len() - 1];
        let Some((found, _, form)) = seen(name, cut) else { panic!("{id}") };
        assert_eq!(found, id);
        let want = match id {
            // How long these are is not known, or only as a range.
            "openai" | "slack" | "stripe" | "azure" | "cloudflare" | "supabase" | "pypi" | "hashicorp-vault" => {
                Form::Matches
            }
            // White space ends it.
            "gcp" => Form::Matches,
            _ => Form::Mismatch(Mismatch::Length),
        };
        assert_eq!(form, want, "{id}");
    }
}

#[test]
fn near_misses_name_what_is_wrong() {
    let anthropic = sample("anthropic");
    let github = sample("github");
    for (name, value, want) in [
        ("OPENAI_API_KEY", join(&["sk-", "proj-", &hex(120)]), Mismatch::MissingPart),
        ("OPENAI_API_KEY", join(&["sk-", "proj-", &hex(40), "T3Blbk", "FJ", &hex(19)]), Mismatch::Length),
        ("OPENAI_API_KEY", "changeme".to_owned(), Mismatch::Start),
        ("ANTHROPIC_API_KEY", anthropic.replace("AA", "AB"), Mismatch::MissingPart),
        ("ANTHROPIC_API_KEY", anthropic.replace("0a1b", "0a b"), Mismatch::Characters),
        ("AWS_ACCESS_KEY_ID", join(&["AK", "IA", &"ABCD".repeat(3), "ABC1"]), Mismatch::Characters),
        ("AWS_SECRET_ACCESS_KEY", sample("aws"), Mismatch::OtherVariable("AWS_ACCESS_KEY_ID")),
        ("TWILIO_AUTH_TOKEN", sample("twilio"), Mismatch::OtherVariable("TWILIO_API_KEY")),
        ("DD_API_KEY", hex(40), Mismatch::OtherVariable("DD_APP_KEY")),
        ("DD_API_KEY", hex(31), Mismatch::Length),
        ("SUPABASE_ACCESS_TOKEN", sample("supabase"), Mismatch::OtherVariable("SUPABASE_SECRET_KEY")),
        ("GITHUB_TOKEN", github.replace("0a1b", "0a1c"), Mismatch::Checksum),
        ("NPM_TOKEN", sample("npm").replace("0a1b", "1a0b"), Mismatch::Checksum),
        ("GITHUB_TOKEN", join(&["ghp", "_abc"]), Mismatch::Length),
        ("GITHUB_TOKEN", format!("{github}\n"), Mismatch::WhiteSpace),
        ("STRIPE_SECRET_KEY", join(&["pk_", "live_", &hex(40)]), Mismatch::Start),
        ("AZURE_CLIENT_SECRET", hex(40), Mismatch::MissingPart),
        ("CLOUDFLARE_API_TOKEN", hex(37), Mismatch::Length),
        ("HF_TOKEN", join(&["h", "f_", &hex(33), "-"]), Mismatch::Characters),
        ("GITLAB_TOKEN", join(&["glp", "at-", &hex(19)]), Mismatch::Length),
    ] {
        let found = detect(name, Some(value.as_bytes())).unwrap();
        assert_eq!(found.form, Form::Mismatch(want), "{name}");
    }
}

#[test]
fn a_value_wins_over_the_name_and_the_disagreement_is_told() {
    let found = detect("OPENAI_API_KEY", Some(sample("anthropic").as_bytes())).unwrap();
    assert_eq!((found.provider.id, found.by), ("anthropic", By::Value));
    let Form::Mismatch(reason) = found.form else { panic!() };
    assert_eq!(reason.to_string(), "looks like a value of Anthropic, not of OpenAI");

    // Two kinds of token share these variables, so that either fits.
    assert_eq!(seen("GITHUB_TOKEN", &sample("github-fine-grained")).unwrap().1, By::Both);
}

#[test]
fn what_is_unconfirmed_or_shared_is_never_a_mismatch() {
    for (name, value) in [
        ("DOCKER_TOKEN", "anything".to_owned()),
        ("NPM_TOKEN", sample("github")),
        ("NPM_TOKEN", "anything".to_owned()),
        ("UV_PUBLISH_TOKEN", sample("gitlab")),
        ("GITHUB_TOKEN", join(&["gh", "s_", &hex(36)])),
        ("ANTHROPIC_API_KEY", join(&["sk-", "ant-admin01-", &hex(40)])),
        ("GITLAB_TOKEN", hex(20)),
        ("VAULT_TOKEN", join(&["hv", "s.", &hex(24)])),
        ("VAULT_TOKEN", "root".to_owned()),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/run/key.json".to_owned()),
        ("GOOGLE_APPLICATION_CREDENTIALS", "{\"type\": \"external_account\"}".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", hex(40)),
        ("TWILIO_AUTH_TOKEN", hex(32)),
        ("SLACK_BOT_TOKEN", join(&["xox", "e.xoxb-", &hex(40)])),
        ("CLOUDFLARE_API_TOKEN", hex(40)),
    ] {
        let found = detect(name, Some(value.as_bytes())).unwrap();
        assert!(!matches!(found.form, Form::Mismatch(_)), "{name}: {:?}", found.form);
    }
}

#[test]
fn starts_that_others_use_too_claim_nothing() {
    for value in [
        join(&["sk_", "live_", &hex(40).replace("51", "00")]),
        join(&["sk-", &hex(48)]),
        "npm_registry".to_owned(),
        "ghp_".to_owned(),
        join(&["S", "K", &hex(31)]),
        "{\"type\": 1, \"kind\": \"service_account\"}".to_owned(),
        hex(32),
    ] {
        assert_eq!(seen("SOME_KEY", &value), None);
    }
    assert_eq!(seen("CLERK_SECRET_KEY", &join(&["sk_", "live_", &hex(40)])), None);
}

#[test]
fn names_may_carry_an_environment_or_a_number() {
    for (name, want) in [
        ("openai_api_key", Some("openai")),
        ("PROD_OPENAI_API_KEY", Some("openai")),
        ("OPENAI_API_KEY_STAGING", Some("openai")),
        ("GITHUB_TOKEN_2", Some("github")),
        ("AZURE_OPENAI_API_KEY", None),
        ("OPENAI_API_KEY_FILE", None),
        ("OPENAI_API_KEY_", None),
        ("_", None),
        ("", None),
        ("DEV_", None),
    ] {
        assert_eq!(detect(name, None).map(|d| d.provider.id), want, "{name}");
    }
}

#[test]
fn stripe_keys_tell_test_from_live() {
    assert_eq!(Mode::of(sample("stripe").as_bytes()), Some(Mode::Test));
    assert_eq!(Mode::of(join(&["rk_", "live_", &hex(20)]).as_bytes()), Some(Mode::Live));
    assert_eq!(Mode::of(join(&["pk_", "live_", &hex(20)]).as_bytes()), None);
    assert_eq!(Mode::of(b""), None);
}

#[test]
fn partners_are_the_rest_of_the_group() {
    assert_eq!(partners("AWS_ACCESS_KEY_ID").collect::<Vec<_>>(), ["AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(partners("AWS_SECRET_ACCESS_KEY").collect::<Vec<_>>(), ["AWS_ACCESS_KEY_ID"]);
    assert_eq!(partners("OPENAI_API_KEY").count(), 0);
}

#[test]
fn the_table_is_sound() {
    for (at, provider) in all().iter().enumerate() {
        assert!(!provider.id.is_empty() && !provider.name.is_empty() && !provider.console.is_empty());
        assert!(provider.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", provider.id);
        assert!(all()[..at].iter().all(|earlier| earlier.id != provider.id), "{} twice", provider.id);
        assert_eq!(by_id(provider.id), Some(provider));
        assert!(provider.group.iter().all(|name| provider.variables().any(|v| v == *name)), "{}", provider.id);
        assert_eq!(provider.rotate_days.is_none(), provider.id == "hashicorp-vault");
    }
    assert_eq!(by_id("OpenAI"), None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_under_any_name_are_answered(name in "[A-Z_]{0,20}", value in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        for start in ["", "sk-ant-", "{\"type\"", "Q~", "sk-T3BlbkFJ"] {
            let value = [start.as_bytes(), &value].concat();
            let _ = detect(&name, Some(&value));
            for provider in all() {
                for variable in provider.variables() {
                    proptest::prop_assert!(detect(variable, Some(&value)).is_some());
                }
            }
        }
    }
}
