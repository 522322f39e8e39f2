//! Who this is, for people to read: the user, and the machine.

use std::sync::LazyLock;

/// What a record's provenance says it with.
pub(crate) const PERSON: &str = "person";

static NAME: LazyLock<String> = LazyLock::new(|| {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let name = rustix::system::uname();
    format!("{user}@{}", name.nodename().to_string_lossy())
});

/// `user@machine`.
pub(crate) fn person() -> &'static str {
    &NAME
}
