#!/bin/sh
# What a machine goes through with the package: install, upgrade, remove, purge. Run by `cargo xtask package --install` in
# a fresh Debian of its own; $1 is the package.
set -eu
fail() { echo "install test: $1" >&2; exit 1; }

dpkg --install "$1"
rehome device --help >/dev/null
rehome device --check-config --config /etc/rehome/device.toml >/dev/null
systemd-analyze verify /usr/lib/systemd/system/rehome-device.service
options_are_for_the_agent_alone() {
  [ "$(stat -c '%U:%G %a' /etc/rehome/device.toml)" = 'rehome-device:root 600' ] || fail "$1 leaves the options to others"
  setpriv --reuid rehome-device --regid rehome-device --clear-groups cat /etc/rehome/device.toml >/dev/null ||
    fail "$1 keeps the options from the agent"
  # An application: any user in the group that may use the socket.
  ! setpriv --reuid nobody --regid rehome-device --clear-groups cat /etc/rehome/device.toml 2>/dev/null ||
    fail "$1 lets applications read the label's secret"
}
options_are_for_the_agent_alone 'the installation'

# A device in use: options of its own, a home, programs in slots.
echo '# mine' >>/etc/rehome/device.toml
mkdir -p /var/lib/rehome-device/slots
printf 'the home' >/var/lib/rehome-device/home.flash
touch /var/lib/rehome-device/slots/active
keeps_everything() {
  [ "$(tail -n 1 /etc/rehome/device.toml)" = '# mine' ] || fail "$1 changed the options"
  [ "$(cat /var/lib/rehome-device/home.flash)" = 'the home' ] || fail "$1 touched the home"
}

newer=$(mktemp -d)
dpkg-deb --raw-extract "$1" "$newer/package"
sed -i 's/^Version: .*/&+newer/' "$newer/package/DEBIAN/control"
dpkg-deb -Znone --build "$newer/package" "$newer/newer.deb" >/dev/null
# As earlier packages left it.
chown root:rehome-device /etc/rehome/device.toml
chmod 0640 /etc/rehome/device.toml
dpkg --install "$newer/newer.deb"
options_are_for_the_agent_alone 'the upgrade'
keeps_everything 'the upgrade'
dpkg --remove rehome
keeps_everything 'the removal'
dpkg --purge rehome
left=$(find /etc /usr /var/lib/rehome-device -xdev -name '*rehome*' 2>/dev/null || true)
[ -z "$left" ] || fail "purging leaves $left"
rm -rf "$newer"
