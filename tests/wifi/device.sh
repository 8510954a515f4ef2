# The device: `rehome device` as an unprivileged user, with the packaged polkit rule.

device_user=rehome-device

prepare_device() {
  install -d -m 0700 -o "$device_user" "$rundir/device"
  install -d -m 0755 -o "$device_user" "$rundir/device-run"
  install -m 0644 "$rundir/cloud/tls/ca.pem" "$rundir/device-ca.pem" || fail 'the cloud has no authority' || return 1
  cat >"$rundir/device.toml" <<TOML
vendor = "$vendor"
template_name = "$template_name"
template_id = "$template_id"
interface = "wlan0"
hotspot_interface = "rehome-ap0"
state_dir = "$rundir/device"
socket = "$rundir/device-run/device.sock"
pop = "$pop"
ca_file = "$rundir/device-ca.pem"
run_time_grace_s = $grace_s
TOML
  # As the package does it.
  chown "$device_user:root" "$rundir/device.toml"
  chmod 0600 "$rundir/device.toml"
}

start_device() {
  setpriv --reuid "$device_user" --regid "$device_user" --init-groups --no-new-privs \
    --bounding-set=-all,+net_bind_service --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
    "$rehome" device --config "$rundir/device.toml" >>"$log/device.log" 2>&1 &
  device_pid=$!
}

# The interface on which the hotspot stays open beside the network connection, made as the package makes it.
make_hotspot_interface() {
  sh /usr/lib/rehome/make-hotspot-interface || fail 'the radio takes no second interface' || return 1
  local own first
  own=$(cat /sys/class/net/rehome-ap0/address)
  first=$((0x${own%%:*}))
  [ "$own" != "$(cat /sys/class/net/wlan0/address)" ] || fail 'both interfaces have one address' || return 1
  [ $((first & 3)) -eq 2 ] || fail "$own is no locally administered address"
}

# The kernel has another name for each boot, and only another boot is a power-on. This one boots once; the agent is shown
# another name from now on.
power_up_device() {
  [ -e "$rundir/boot-id" ] || { : >"$rundir/boot-id" && mount -o bind "$rundir/boot-id" /proc/sys/kernel/random/boot_id; } ||
    fail 'the boot gets no other name' || return 1
  cat /proc/sys/kernel/random/uuid >"$rundir/boot-id"
  chmod 0644 "$rundir/boot-id"
  start_device
}

# The process ends as in a crash.
kill_device() {
  kill -9 "$device_pid"
  wait "$device_pid" 2>/dev/null
}

stop_device() {
  kill "$device_pid"
  wait "$device_pid"
}

# is_access_point INTERFACE: it is one, and sends.
is_access_point() {
  iw dev "$1" info | grep -q 'type AP' && iw dev "$1" info | grep -q 'channel '
}

# Nothing of the agent's is left in NetworkManager.
has_no_connection() { [ -z "$(nmcli -t -f NAME connection show | grep rehome)" ]; }

# Marks the end of the log, so that what follows is looked for only behind it.
mark_log() { log_mark=$(($(wc -l <"$log/device.log") + 1)); }

# log_says TEXT: the device's log holds the text since the last mark.
log_says() { tail -n "+$log_mark" "$log/device.log" | grep -qF -- "$1"; }

# memory_holds TEXT: the raw image of the device's memory holds these bytes, free space included.
memory_holds() { grep -qaF -- "$1" "$rundir/device/home.flash"; }
memory_digest() { sha256sum <"$rundir/device/home.flash" | cut -d ' ' -f 1; }

device_network() { iw dev wlan0 link | sed -n 's/^[[:space:]]*SSID: //p'; }
