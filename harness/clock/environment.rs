//! The environment of a step, whole: where programs are, and folders of the step's own. Nothing of the lab's is in it;
//! a variable may name an image, a cache or a proxy.

use std::path::Path;

use super::Release;

/// Where programs are when the lab was not told.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The same for a step among another release's programs, which are where Debian has them and not where this machine's are.
pub fn environment_in(release: Option<&Release>, home: &Path, tmp: &Path) -> Vec<(String, String)> {
    let mut environment = environment(home, tmp);
    if release.is_some() {
        let path = environment.iter_mut().find(|(name, _)| name == "PATH");
        path.expect("every environment has one").1 = USUAL_PATH.to_string();
    }
    environment
}

/// The environment of a step with the home folder `home`, fresh for it, that keeps temporary files in `tmp`.
pub fn environment(home: &Path, tmp: &Path) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let path = std::env::var("PATH").unwrap_or_else(|_| USUAL_PATH.to_string());
    [
        ("PATH", path),
        ("LC_ALL", "C.UTF-8".to_string()),
        ("TMPDIR", text(tmp)),
        // A client that remembers the last step in a cache of its own would be cheating.
        ("HOME", text(home)),
        ("XDG_CACHE_HOME", text(&home.join(".cache"))),
        ("XDG_CONFIG_HOME", text(&home.join(".config"))),
        ("XDG_DATA_HOME", text(&home.join(".local/share"))),
        ("XDG_STATE_HOME", text(&home.join(".local/state"))),
        ("XDG_RUNTIME_DIR", text(home)),
        // A configuration outside that home may name a proxy, which would take the bytes off the wire.
        ("no_proxy", "*".to_string()),
        ("NO_PROXY", "*".to_string()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}
