# The machine's own services, its six radios, and who gets which of them.
#   radio 0: the device, managed by NetworkManager, in the machine's own network
#   radio 1: the workshop's access point      radio 2: the customer's access point      radio 3: a phone
#   radio 4: the maker's laptop      radio 5: a stock board
# All but the first live in network namespaces, so that only the air connects them with the device.

start_system() {
  hostname emulated-device
  mkdir -p /dev/pts /dev/shm /run/dbus /run/lock /run/netns /run/NetworkManager /etc/netns "$rundir"
  ln -sfn /proc/self/fd /dev/fd
  mount -t devpts devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  ip link set lo up
}

start_radios() {
  # Radios for 2.4 GHz and the lower half of 5 GHz (the module's "custom world"). With every band that it knows, one
  # scan takes 9 s, most of it spent on listening at 6 GHz, and this radio's hotspot is silent all the while.
  insmod /modules/mac80211_hwsim.ko radios=6 regtest=5 || fail 'mac80211_hwsim cannot be loaded' || return 1
  insmod /modules/veth.ko || fail 'veth cannot be loaded' || return 1
  /lib/systemd/systemd-udevd --daemon
  udevadm trigger --action=add --subsystem-match=net --subsystem-match=ieee80211 --subsystem-match=rfkill
  udevadm settle --timeout=30
  local phy
  for phy in 0 1 2 3 4 5; do
    [ -e "/sys/class/ieee80211/phy$phy" ] || fail "radio $phy is missing" || return 1
  done
  local place
  for place in workshop customer phone laptop board cloud; do
    ip netns add "$place"
    ip -n "$place" link set lo up
  done
  iw phy phy1 set netns name workshop
  iw phy phy2 set netns name customer
  iw phy phy3 set netns name phone
  iw phy phy4 set netns name laptop
  iw phy phy5 set netns name board
  [ "$(ip -n phone -o link show wlan3 | wc -l)" -eq 1 ] || fail 'the phone has no radio'
}

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
  mkdir -p "$config/conf.d" "$config/connections"
  cp "$story/NetworkManager.conf" "$config/NetworkManager.conf"
  dbus-daemon --system --fork --nopidfile || fail 'no D-Bus' || return 1
  /usr/lib/polkit-1/polkitd --no-debug >"$log/polkit.log" 2>&1 &
  # As Debian's unit starts it.
  wpa_supplicant -u -s -O 'DIR=/run/wpa_supplicant GROUP=netdev' >"$log/wpa_supplicant.log" 2>&1 &
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
