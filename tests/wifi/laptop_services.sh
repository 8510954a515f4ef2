#!/bin/bash
# laptop_services.sh FOLDER LOG: message bus, supplicant and NetworkManager of the laptop. `ip netns exec` gave it a network
# and mounts of its own.
folder=$1
log=$2
for own in /run/dbus /run/NetworkManager /run/wpa_supplicant /var/lib/NetworkManager; do
  mkdir -p "$own"
  mount -t tmpfs tmpfs "$own"
done
# The laptop's own resolv.conf would be gone from it as soon as the device's NetworkManager replaces the file below it.
cp -a /etc "$folder/etc"
mount --bind "$folder/etc" /etc
# udev hears nothing of interfaces outside the machine's first network. As in a container, NetworkManager does not wait
# for its word where /sys cannot be written to.
mount -o remount,bind,ro /sys
dbus-daemon --system --fork --nopidfile || exit 1
wpa_supplicant -u -s -O /run/wpa_supplicant >"$log/laptop-wpa_supplicant.log" 2>&1 &
echo $$ >"$folder/pid"
exec NetworkManager --debug --config "$folder/NetworkManager.conf" --config-dir "$folder/conf.d" \
  >"$log/laptop-network-manager.log" 2>&1
