//! Names of variables that change how programs load or run.
//!
//! A secret under such a name lets whoever can write a profile run code on
//! every machine that reads it. A name is listed if its value makes a common
//! program, without being asked to: load code, run another program, or read a
//! start-up file that can do either. Checked against sudo's `env.c` (initial
//! "bad" table), glibc's `unsecvars.h`, and the manuals of the programs.
//!
//! Left out on purpose:
//! - files of credentials, the very use of `--file` (`KUBECONFIG`,
//!   `GOOGLE_APPLICATION_CREDENTIALS`, `AWS_CONFIG_FILE`, `DOCKER_CONFIG`, `PGPASSFILE`);
//! - whom a program talks to and whom it trusts there (`HTTPS_PROXY`,
//!   `SSL_CERT_FILE`, `PIP_INDEX_URL`): ordinary configuration, often with a token inside;
//! - how a program behaves inside its own bounds (`NODE_ENV`, `PYTHONUNBUFFERED`,
//!   `MALLOC_ARENA_MAX`, `TZ`, `TMPDIR`);
//! - `GIT_TOKEN` and the like: a shared prefix is not a reason.

/// Names that start so are listed as a whole.
///
/// `LD_` and `DYLD_`: the dynamic loaders, which gain variables with every
/// release. `VLT_`: ours, and a nested `vault` would obey. `BASH_FUNC_`:
/// functions that bash defines on start. `GIT_CONFIG_KEY_`, `GIT_CONFIG_VALUE_`:
/// numbered git settings, `core.sshCommand` among them.
const FAMILIES: [&str; 6] = ["LD_", "DYLD_", "VLT_", "BASH_FUNC_", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Exact names.
const GROUPS: [&[&str]; 14] = [
    // Where programs, home and start-up files are found. Programs run $SHELL, and read
    // configuration that can name commands under $HOME and XDG_*; XDG_STATE_HOME is our own memory.
    &[
        "HOME",
        "PATH",
        "SHELL",
        "XDG_CONFIG_DIRS",
        "XDG_CONFIG_HOME",
        "XDG_DATA_DIRS",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ],
    // C library: modules it loads (GCONV_PATH), programs it runs (GETCONF_DIR), data it trusts
    // (LOCPATH, NLSPATH: format strings), tunables, and the resolver's own files.
    &[
        "GCONV_PATH",
        "GETCONF_DIR",
        "GLIBC_TUNABLES",
        "HOSTALIASES",
        "LOCALDOMAIN",
        "LOCPATH",
        "NIS_PATH",
        "NLSPATH",
        "RESOLV_HOST_CONF",
        "RES_OPTIONS",
    ],
    // Shells: word splitting, start-up files, options, prompts (which run command substitutions),
    // search paths, loadable builtins, zsh's and ksh's own.
    &[
        "BASHOPTS",
        "BASH_ENV",
        "BASH_LOADABLES_PATH",
        "CDPATH",
        "ENV",
        "FCEDIT",
        "FPATH",
        "GLOBIGNORE",
        "HISTFILE",
        "IFS",
        "INPUTRC",
        "NULLCMD",
        "PROMPT_COMMAND",
        "PS0",
        "PS1",
        "PS2",
        "PS4",
        "READNULLCMD",
        "SHELLOPTS",
        "TMPPREFIX",
        "ZDOTDIR",
    ],
    // Programs that other programs start: editors, pagers, browsers, askers of passwords.
    &[
        "AWS_PAGER",
        "BAT_PAGER",
        "BROWSER",
        "DELTA_PAGER",
        "EDITOR",
        "GH_BROWSER",
        "GH_EDITOR",
        "GH_PAGER",
        "KUBECTL_EXTERNAL_DIFF",
        "KUBE_EDITOR",
        "LESSCLOSE",
        "LESSKEYIN",
        "LESSOPEN",
        "MANPAGER",
        "PAGER",
        "SUDO_ASKPASS",
        "SUDO_EDITOR",
        "SYSTEMD_EDITOR",
        "SYSTEMD_PAGER",
        "VISUAL",
    ],
    // Git: programs it runs, and configuration, hooks or templates from elsewhere.
    &[
        "GIT_ASKPASS",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_SYSTEM",
        "GIT_DIR",
        "GIT_EDITOR",
        "GIT_EXEC_PATH",
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "GIT_PROXY_COMMAND",
        "GIT_SEQUENCE_EDITOR",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_TEMPLATE_DIR",
        "GIT_WORK_TREE",
    ],
    // Remote shells, other version control, archivers, downloaders: `use_askpass` in a wgetrc.
    &[
        "CVS_RSH",
        "HGMERGE",
        "HGRCPATH",
        "RSYNC_CONNECT_PROG",
        "RSYNC_RSH",
        "SSH_ASKPASS",
        "SSH_ASKPASS_REQUIRE",
        "SSH_PKCS11_HELPER",
        "SSH_SK_HELPER",
        "SSH_SK_PROVIDER",
        "SVN_SSH",
        "TAR_OPTIONS",
        "WGETRC",
    ],
    // Python: module paths, start-up code, what `breakpoint()` and warning filters import.
    &[
        "PIP_CONFIG_FILE",
        "PYTHONBREAKPOINT",
        "PYTHONEXECUTABLE",
        "PYTHONHOME",
        "PYTHONINSPECT",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONPYCACHEPREFIX",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "PYTHONWARNINGS",
    ],
    // JavaScript: preloaded modules, module paths, compiled code, npm's shells and configuration files.
    &[
        "BUN_OPTIONS",
        "ELECTRON_RUN_AS_NODE",
        "NODE_COMPILE_CACHE",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_REPL_EXTERNAL_MODULE",
        "NPM_CONFIG_GIT",
        "NPM_CONFIG_GLOBALCONFIG",
        "NPM_CONFIG_NODE_OPTIONS",
        "NPM_CONFIG_SCRIPT_SHELL",
        "NPM_CONFIG_SHELL",
        "NPM_CONFIG_USERCONFIG",
        "npm_config_git",
        "npm_config_globalconfig",
        "npm_config_node_options",
        "npm_config_script_shell",
        "npm_config_shell",
        "npm_config_userconfig",
    ],
    // Perl, Ruby, PHP, Lua, Tcl, Guile: options, module paths, start-up files.
    &[
        "BUNDLE_GEMFILE",
        "GEM_HOME",
        "GEM_PATH",
        "GUILE_LOAD_COMPILED_PATH",
        "GUILE_LOAD_PATH",
        "LUA_CPATH",
        "LUA_CPATH_5_2",
        "LUA_CPATH_5_3",
        "LUA_CPATH_5_4",
        "LUA_INIT",
        "LUA_INIT_5_2",
        "LUA_INIT_5_3",
        "LUA_INIT_5_4",
        "LUA_PATH",
        "LUA_PATH_5_2",
        "LUA_PATH_5_3",
        "LUA_PATH_5_4",
        "PERL5DB",
        "PERL5LIB",
        "PERL5OPT",
        "PERL5SHELL",
        "PERLIO_DEBUG",
        "PERLLIB",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "RUBYGEMS_GEMDEPS",
        "RUBYLIB",
        "RUBYOPT",
        "RUBYSHELL",
        "TCLLIBPATH",
    ],
    // JVM and .NET: agents, start-up hooks, profilers, class paths.
    &[
        "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES",
        "CATALINA_OPTS",
        "CLASSPATH",
        "CORECLR_PROFILER",
        "CORECLR_PROFILER_PATH",
        "CORECLR_PROFILER_PATH_32",
        "CORECLR_PROFILER_PATH_64",
        "COR_PROFILER",
        "COR_PROFILER_PATH",
        "DOTNET_ADDITIONAL_DEPS",
        "DOTNET_ROOT",
        "DOTNET_SHARED_STORE",
        "DOTNET_STARTUP_HOOKS",
        "GRADLE_OPTS",
        "JAVA_HOME",
        "JAVA_OPTS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "MAVEN_ARGS",
        "MAVEN_OPTS",
        "MONO_ENV_OPTIONS",
        "MONO_PATH",
        "SBT_OPTS",
        "_JAVA_OPTIONS",
    ],
    // Erlang, R, Julia, PowerShell, Emacs, Vim.
    &[
        "ELIXIR_ERL_OPTIONS",
        "EMACSLOADPATH",
        "ERL_AFLAGS",
        "ERL_FLAGS",
        "ERL_LIBS",
        "ERL_ZFLAGS",
        "EXINIT",
        "JULIA_DEPOT_PATH",
        "JULIA_LOAD_PATH",
        "JULIA_PROJECT",
        "MYVIMRC",
        "PSModulePath",
        "R_ENVIRON",
        "R_ENVIRON_USER",
        "R_HOME",
        "R_LIBS",
        "R_LIBS_SITE",
        "R_LIBS_USER",
        "R_PROFILE",
        "R_PROFILE_USER",
        "VIM",
        "VIMINIT",
        "VIMRUNTIME",
    ],
    // Compilers and build tools: the programs and plugins they run.
    &[
        "AR",
        "AS",
        "CARGO",
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_HOME",
        "CC",
        "COMPILER_PATH",
        "CPP",
        "CXX",
        "GCC_EXEC_PREFIX",
        "GNUMAKEFLAGS",
        "GOENV",
        "GOFLAGS",
        "GOROOT",
        "GOTOOLDIR",
        "LD",
        "MAKEFILES",
        "MAKEFLAGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
    ],
    // Plugins of libraries: TLS engines, Kerberos, database clients, terminals; buses, as an
    // address `unixexec:` is a program to run.
    &[
        "DBUS_SESSION_BUS_ADDRESS",
        "DBUS_STARTER_ADDRESS",
        "DBUS_SYSTEM_BUS_ADDRESS",
        "KRB5_CONFIG",
        "LIBMYSQL_PLUGINS",
        "LIBMYSQL_PLUGIN_DIR",
        "ODBCINSTINI",
        "ODBCSYSINI",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "PSQLRC",
        "PSQL_EDITOR",
        "PSQL_PAGER",
        "TERMCAP",
        "TERMINFO",
        "TERMINFO_DIRS",
        "TERMPATH",
    ],
    // Plugins of desktop programs, and Ansible's code paths.
    &[
        "ANSIBLE_CONFIG",
        "ANSIBLE_LIBRARY",
        "GIO_EXTRA_MODULES",
        "GIO_MODULE_DIR",
        "GST_PLUGIN_PATH",
        "GTK_MODULES",
        "GTK_PATH",
        "LIBGL_DRIVERS_PATH",
        "QML2_IMPORT_PATH",
        "QT_PLUGIN_PATH",
        "QT_QPA_PLATFORM_PLUGIN_PATH",
        "VK_LAYER_PATH",
    ],
];

/// All exact names. Comparing a name with each of them takes less than a hash table is
/// worth: most differ in length, and the usual command gets a dozen secrets.
fn exact() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.iter().copied())
}

/// True if a variable of this name changes how programs load or run.
///
/// Compared byte for byte: names of variables have upper and lower case.
#[must_use]
pub fn changes_how_programs_run(name: &str) -> bool {
    FAMILIES.iter().any(|family| name.starts_with(family)) || exact().any(|listed| listed == name)
}

/// True for a variable of ours that carries credentials: every name that
/// starts with `VLT_IDENTITY` or `VLT_PASSPHRASE`. None reaches a child;
/// `VLT_FILE`, `VLT_PROFILE` and the others do, so that nested calls agree.
#[must_use]
pub fn credential(name: &str) -> bool {
    carries_credential(name.as_bytes())
}

/// [`credential`] for a name, or a whole `NAME=value` entry, as bytes.
pub(super) fn carries_credential(entry: &[u8]) -> bool {
    entry.starts_with(b"VLT_IDENTITY") || entry.starts_with(b"VLT_PASSPHRASE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_listed_once_and_could_be_that_of_a_secret() {
        let mut seen = std::collections::HashSet::new();
        for name in exact() {
            assert!(seen.insert(name), "{name} is listed twice");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
            assert!(!FAMILIES.iter().any(|family| name.starts_with(family)), "{name} is in a family");
        }
    }

    #[test]
    fn names_of_the_design_are_listed() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "PATH",
            "IFS",
            "BASH_ENV",
            "ENV",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PYTHONHOME",
            "NODE_OPTIONS",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "GIT_SSH_COMMAND",
            "GLIBC_TUNABLES",
            "VLT_FILE",
            "VLT_ANYTHING",
            "BASH_FUNC_ls",
            "GIT_CONFIG_KEY_0",
            // Each seen to run a program: dbus 1.16, gcc 14, wget 1.25.
            "DBUS_SESSION_BUS_ADDRESS",
            "DBUS_SYSTEM_BUS_ADDRESS",
            "GCC_EXEC_PREFIX",
            "COMPILER_PATH",
            "WGETRC",
        ] {
            assert!(changes_how_programs_run(name), "{name}");
        }
    }

    #[test]
    fn ordinary_names_are_not() {
        for name in [
            "",
            "GIT_TOKEN",
            "OPENAI_API_KEY",
            "DATABASE_URL",
            "NODE_ENV",
            "NODE_AUTH_TOKEN",
            "NPM_TOKEN",
            "PATHS",
            "MY_PATH",
            "LDAP_PASSWORD",
            "Path",
            "VAULT_TOKEN",
            "PYTHONUNBUFFERED",
            "KUBECONFIG",
            "HTTPS_PROXY",
            "ENVIRONMENT",
        ] {
            assert!(!changes_how_programs_run(name), "{name}");
        }
    }

    #[test]
    fn only_identities_and_passphrases_are_credentials() {
        for name in ["VLT_IDENTITY", "VLT_IDENTITY_FILE", "VLT_PASSPHRASE_FD", "VLT_PASSPHRASE_FILE", "VLT_PASSPHRASE"]
        {
            assert!(credential(name), "{name}");
        }
        for name in ["VLT_FILE", "VLT_PROFILE", "VLT_VAULT_ID", "VLT_STATE_DIR", "IDENTITY", "MY_VLT_IDENTITY"] {
            assert!(!credential(name), "{name}");
        }
    }
}
