//! The standard library's source from Debian's package `rust-src`, for machines that rustup does not serve.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::stage::Process;
use crate::{target_folder, workspace_root};

/// The compiler's version that the package belongs to; a library of another version does not build.
const RUST_VERSION: &str = "1.95.0";
/// The package's name and version in [`SUITE`].
const PACKAGE: &str = "rust-src=1.95.0+dfsg1-2~bpo13+1";
const SUITE: &str = "trixie-backports";
/// SHA-256 of the package; architecture `all`.
const PACKAGE_SHA256: &str = "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b";
/// Where the package puts the source.
const SOURCE: &str = "usr/src/rustc-1.95.0";

/// Returns the folder that holds `library`, fetching and unpacking the package where that was not done yet.
///
/// # Errors
/// When the compiler is of another version, the mirror cannot be reached, or the package is not the expected one.
pub(super) fn fetch(folder: &Path) -> Result<PathBuf> {
    require_version(folder)?;
    // One place for all workspaces.
    let place = target_folder(&workspace_root()?)?.join("rust-src");
    let source = place.join(SOURCE);
    if source.join("library/core").is_dir() {
        return Ok(source);
    }
    println!("fetching Debian's {PACKAGE} from {SUITE}");
    fs::create_dir_all(place.join("lists/partial")).context("making folders for the package lists")?;
    fs::create_dir_all(place.join("cache/archives/partial")).context("making folders for the package")?;
    let list = place.join("sources.list");
    // The checksum below is what is trusted; the machine's own Debian may be older than the suite and lack its key.
    fs::write(&list, format!("deb [trusted=yes] {} {SUITE} main\n", mirror(folder)?))
        .context("writing the list of sources")?;
    let options = [
        format!("Dir::Etc::SourceList={}", list.display()),
        "Dir::Etc::SourceParts=-".to_owned(),
        format!("Dir::State::Lists={}", place.join("lists").display()),
        format!("Dir::Cache={}", place.join("cache").display()),
        // Root's own downloads go through an unprivileged user, who may not write here.
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt = |words: &[&str]| {
        let mut arguments: Vec<&str> = vec!["-qq"];
        arguments.extend(options.iter().flat_map(|option| ["-o", option.as_str()]));
        arguments.extend(words);
        Process::new(&place, "apt-get", &arguments).run()
    };
    apt(&["update"])?;
    apt(&["download", PACKAGE])?;
    let package = only_package(&place)?;
    verify(&package)?;
    Process::new(&place, "dpkg-deb", &[Path::new("--extract"), &package, &place]).run()?;
    ensure!(source.join("library/core").is_dir(), "{PACKAGE} does not hold {SOURCE}/library/core");
    // The compiler's own source takes half a gigabyte.
    for unneeded in ["compiler", "src"] {
        fs::remove_dir_all(source.join(unneeded)).context("removing what is not needed of the source")?;
    }
    fs::remove_file(package).context("removing the package")?;
    Ok(source)
}

fn require_version(folder: &Path) -> Result<()> {
    let version = text_of(Command::new("rustc").arg("--version").current_dir(folder))?;
    if version.split_whitespace().nth(1) != Some(RUST_VERSION) {
        bail!(
            "rustup can fetch neither the target nor the source of the core library, and Debian's source is known for \
             Rust {RUST_VERSION} only; this is {version}"
        );
    }
    Ok(())
}

/// The mirror that this machine's Debian uses.
fn mirror(folder: &Path) -> Result<String> {
    let arguments = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"];
    let mirrors = text_of(Command::new("apt-get").args(arguments).current_dir(folder))?;
    let first = mirrors.lines().next().map(str::trim).filter(|line| !line.is_empty());
    first.map(str::to_owned).context("apt knows no Debian mirror; run `apt-get update` as root first")
}

fn only_package(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")
}

fn verify(package: &Path) -> Result<()> {
    let line = text_of(Command::new("sha256sum").arg(package))?;
    let found = line.split_whitespace().next().unwrap_or_default();
    if found != PACKAGE_SHA256 {
        fs::remove_file(package).context("removing the wrong package")?;
        bail!("{} has the SHA-256 {found}, expected {PACKAGE_SHA256}", package.display());
    }
    Ok(())
}

fn text_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    ensure!(output.status.success(), "{program} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)
        .with_context(|| format!("reading what {program} printed"))?
        .trim()
        .to_owned())
}
