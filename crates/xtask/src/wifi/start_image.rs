//! The small file system from which the machine starts: busybox, the modules to reach this computer's files, one script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::GUEST_FOLDER;
use super::requirements::{Found, module_files};

/// Modules that the machine needs before it can read this computer's files.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_rng", "9pnet_virtio", "9p", "overlay"];
/// Folders that the first script uses.
const FOLDERS: [&str; 8] = ["bin", "modules", "dev", "proc", "sys", "root", "host", "layer"];
/// May be read by all and executed.
const EXECUTABLE: u32 = 0o755;

/// Makes the image and returns its path.
pub(super) fn make(root: &Path, found: &Found, target: &Path) -> Result<PathBuf> {
    let folder = target.join("wifi-start");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    for name in FOLDERS {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    }
    copy_executable(&found.busybox, &folder.join("bin/busybox"))?;
    copy_executable(&root.join(GUEST_FOLDER).join("initramfs-init"), &folder.join("init"))?;
    let mut order = String::new();
    for module in module_files(root, found, &MODULES)? {
        order.push_str(&add_module(&module, &folder.join("modules"))?);
        order.push('\n');
    }
    fs::write(folder.join("modules/order"), order).context("writing the order of the modules")?;
    let image = target.join("wifi-start.cpio");
    pack(&found.busybox, &folder, &image)?;
    Ok(image)
}

fn copy_executable(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(EXECUTABLE))
        .with_context(|| format!("making {} executable", to.display()))
}

/// Adds one module, unpacked, and returns its file's name.
fn add_module(module: &Path, folder: &Path) -> Result<String> {
    let name = module.file_name().and_then(|name| name.to_str()).context("naming a module")?;
    let plain_name = name.strip_suffix(".xz").unwrap_or(name);
    let to = folder.join(plain_name);
    if plain_name == name {
        fs::copy(module, &to).with_context(|| format!("copying {}", module.display()))?;
    } else {
        let unpacked = fs::File::create(&to).with_context(|| format!("making {}", to.display()))?;
        let status =
            Command::new("xz").args(["--decompress", "--stdout"]).arg(module).stdout(unpacked).status();
        if !status.context("starting xz")?.success() {
            bail!("{} cannot be unpacked", module.display());
        }
    }
    Ok(plain_name.to_owned())
}

/// Packs a folder in the kernel's own format.
fn pack(busybox: &Path, folder: &Path, image: &Path) -> Result<()> {
    let packed = fs::File::create(image).with_context(|| format!("making {}", image.display()))?;
    let script = format!("find . | '{0}' cpio -o -H newc", busybox.display());
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .stdout(packed)
        .stderr(Stdio::null())
        .status()
        .context("starting cpio")?;
    if !status.success() {
        bail!("the start image cannot be packed");
    }
    Ok(())
}
