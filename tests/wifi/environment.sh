# The machine's own services, its four radios, and who gets which of them.
#   radio 0: the device, managed by NetworkManager, in the machine's own network
#   radio 1: the workshop's access point      radio 2: the customer's access point      radio 3: a phone
# The last three live in network namespaces, so that only the air connects them with the device.

start_system() {
  hostname emulated-device
  mkdir -p /dev/pts /dev/shm /run/dbus /run/lock /run/netns /run/NetworkManager "$rundir"
  ln -sfn /proc/self/fd /dev/fd
  mount -t devpts devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  mount -t tmpfs tmpfs /tmp
  mount -t tmpfs -o mode=0755 tmpfs /var/lib/NetworkManager
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # The host's settings for its own network mean nothing here.
  rm -f /etc/resolv.conf
  touch /etc/resolv.conf
  sed -i 's/^hosts:.*/hosts: files dns/' /etc/nsswitch.conf
  ip link set lo up
}

start_radios() {
  modprobe mac80211_hwsim radios=4 || fail 'mac80211_hwsim cannot be loaded' || return 1
  modprobe veth || fail 'veth cannot be loaded' || return 1
  /lib/systemd/systemd-udevd --daemon
  udevadm trigger --action=add --subsystem-match=net --subsystem-match=ieee80211 --subsystem-match=rfkill
  udevadm settle --timeout=30
  # Without a country the kernel transmits on channels 1 to 11 only, and an access point elsewhere never comes up.
  iw reg set "$country"
  until_true 10 "the radios obey the rules of $country" is_country_set || return 1
  local phy
  for phy in 0 1 2 3; do
    [ -e "/sys/class/ieee80211/phy$phy" ] || fail "radio $phy is missing" || return 1
  done
  local place
  for place in workshop customer phone cloud; do
    ip netns add "$place"
    ip -n "$place" link set lo up
  done
  iw phy phy1 set netns name workshop
  iw phy phy2 set netns name customer
  iw phy phy3 set netns name phone
  [ "$(ip -n phone -o link show wlan3 | wc -l)" -eq 1 ] || fail 'the phone has no radio'
}

is_country_set() { iw reg get | grep -q "^country $country:"; }

# The cloud is reached through the workshop's or the customer's router, each with its own network.
connect_routers() {
  local place number
  number=1
  for place in workshop customer; do
    ip link add "to-$place" netns cloud type veth peer name to-cloud netns "$place"
    ip -n cloud addr add "10.99.$number.1/24" dev "to-$place"
    ip -n cloud link set "to-$place" up
    ip -n "$place" addr add "10.99.$number.2/24" dev to-cloud
    ip -n "$place" link set to-cloud up
    ip -n "$place" route add "$cloud_address/32" via "10.99.$number.1"
    ip -n cloud route add "10.$number.0.0/24" via "10.99.$number.2"
    ip netns exec "$place" sysctl -qw net.ipv4.ip_forward=1
    number=$((number + 1))
  done
  ip -n cloud addr add "$cloud_address/32" dev lo
}

start_network_manager() {
  local config=$rundir/network-manager
  mkdir -p "$config/conf.d" "$config/connections" /etc/polkit-1/rules.d
  cp "$guest/NetworkManager.conf" "$config/NetworkManager.conf"
  install -m 0644 "$guest/50-rehome-device.rules" /etc/polkit-1/rules.d/
  chmod 0755 /etc/polkit-1/rules.d
  dbus-daemon --system --fork --nopidfile || fail 'no D-Bus' || return 1
  /usr/lib/polkit-1/polkitd --no-debug >"$log/polkit.log" 2>&1 &
  wpa_supplicant -u -s -O /run/wpa_supplicant >"$log/wpa_supplicant.log" 2>&1 &
  until_true 30 'wpa_supplicant on D-Bus' has_bus_name fi.w1.wpa_supplicant1 || return 1
  NetworkManager --debug --config "$config/NetworkManager.conf" --config-dir "$config/conf.d" \
    >"$log/network-manager.log" 2>&1 &
  until_true 60 'NetworkManager manages the device radio' is_radio_managed
}

has_bus_name() {
  dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner "string:$1" \
    2>/dev/null | grep -q 'boolean true'
}

is_radio_managed() {
  nmcli -t -f DEVICE,STATE device 2>/dev/null | grep -q '^wlan0:disconnected'
}
