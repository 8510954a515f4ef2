# A phone: its own radio, a real supplicant, a DHCP client and a web client. It knows nothing of the device but its air.

start_phone() {
  mkdir -p /etc/netns/phone
  : >/etc/netns/phone/resolv.conf
  install -m 0755 "$story/phone_address.sh" "$rundir/phone_address.sh"
  printf 'ctrl_interface=/run/phone-wifi\nap_scan=1\n' >"$rundir/phone.conf"
  ip -n phone link set wlan3 up
  ip netns exec phone wpa_supplicant -B -t -i wlan3 -D nl80211 -c "$rundir/phone.conf" -f "$log/phone-wifi.log" \
    -P "$rundir/phone.wifi.pid" || fail 'the phone has no Wi-Fi'
}

# Only the 2.4 GHz band: listening on all channels takes longer than a hotspot that gives way to a search stays open.
phone_scans() {
  phone_cli scan freq=2412,2417,2422,2427,2432,2437,2442,2447,2452,2457,2462,2467,2472 >/dev/null 2>&1
  sleep 2
}

phone_cli() {
  ip netns exec phone wpa_cli -p /run/phone-wifi -i wlan3 "$@"
}

# phone_sees SSID: listens once and looks whether the network is there.
phone_sees() {
  phone_scans
  phone_heard_names | grep -qxF "$1"
}

# The names of the last scan; the supplicant prints bytes outside ASCII as \xNN and quotes as \".
phone_heard_names() {
  local name
  phone_cli scan_results 2>/dev/null | cut -f 5 | sed 's/\\"/"/g' |
    while IFS= read -r name; do printf '%b\n' "$name"; done
}

# phone_sees_hotspot: remembers the name of the device's hotspot once it is in the air.
phone_sees_hotspot() {
  phone_scans
  hotspot_ssid=$(phone_heard_names | grep -m 1 "^$vendor $template_name-" || true)
  [ -n "$hotspot_ssid" ]
}

hotspot_mhz() { phone_cli scan_results | grep -F "$hotspot_ssid" | cut -f 2; }
hotspot_flags() { phone_cli scan_results | grep -F "$hotspot_ssid" | cut -f 4; }

phone_hears_no_hotspot() {
  phone_cli bss_flush 0 >/dev/null 2>&1
  ! phone_sees_hotspot
}

# phone_joins SSID PASSWORD: joins and asks for an address.
phone_joins() {
  local network
  phone_cli remove_network all >/dev/null
  network=$(phone_cli add_network | tail -n 1)
  phone_cli set_network "$network" ssid "\"$1\"" >/dev/null
  phone_cli set_network "$network" psk "\"$2\"" >/dev/null
  phone_cli select_network "$network" >/dev/null
  until_true 40 "the phone joins $1" phone_is_joined || return 1
  phone_asks_for_address
}

# phone_is_refused SSID PASSWORD: tries once, and is told that the passphrase is wrong.
phone_is_refused() {
  local network refused_before
  refused_before=$(phone_refusal_count)
  phone_cli remove_network all >/dev/null
  network=$(phone_cli add_network | tail -n 1)
  phone_cli set_network "$network" ssid "\"$1\"" >/dev/null
  phone_cli set_network "$network" psk "\"$2\"" >/dev/null
  phone_cli select_network "$network" >/dev/null
  until_true 40 "the phone is refused by $1" phone_was_refused_since "$refused_before" || return 1
  phone_cli remove_network all >/dev/null
}

phone_was_refused_since() { [ "$(phone_refusal_count)" -gt "$1" ]; }

phone_refusal_count() { grep -c 'reason=WRONG_KEY' "$log/phone-wifi.log"; }

phone_is_joined() {
  phone_cli status 2>/dev/null | grep -q '^wpa_state=COMPLETED'
}

# Asks the hotspot for an address; the answer is kept in a file, one NAME=VALUE per line.
phone_asks_for_address() {
  rm -f "$rundir/phone.lease"
  ip -n phone addr flush dev wlan3
  PHONE_LEASE=$rundir/phone.lease ip netns exec phone busybox udhcpc -i wlan3 -n -q -f -t 10 -T 2 -O 114 -O dns \
    -s "$rundir/phone_address.sh" >>"$log/phone-dhcp.log" 2>&1 || fail 'the phone gets no address'
}

phone_leaves() {
  phone_cli remove_network all >/dev/null
  ip -n phone addr flush dev wlan3
}

# phone_fetches PATH [curl options]: asks the device's portal.
phone_fetches() {
  local path=$1
  shift
  ip netns exec phone curl --silent --show-error --max-time 10 --noproxy '*' "$@" "http://192.168.4.1$path" 2>>"$log/phone-web.log"
}

# phone_submits SSID PASSWORD TOKEN: what the setup page sends. Nothing secret is in an address.
phone_submits() {
  phone_fetches /config --data-urlencode "ssid=$1" --data-urlencode "pass=$2" --data-urlencode "blynk=$3" \
    --data-urlencode "host=$cloud_name" --data-urlencode "port_ssl=$cloud_port" --data-urlencode 'save=1'
}

# phone_changes_network SSID PASSWORD: another network and nothing else, for an owner who stays the same.
phone_changes_network() {
  phone_fetches /config --data-urlencode "ssid=$1" --data-urlencode "pass=$2" --data-urlencode 'save=1'
}
