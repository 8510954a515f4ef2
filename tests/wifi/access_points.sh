# Access points with their routers: real hostapd, and dnsmasq for addresses and names.

# Settings of every network: interface, router's address and number of its network.
interface_of() { case $1 in workshop) echo wlan1 ;; customer) echo wlan2 ;; esac; }
number_of() { case $1 in workshop) echo 1 ;; customer) echo 2 ;; esac; }

# start_access_point PLACE SSID CHANNEL open|wpa2|wpa3 [PASSWORD]
start_access_point() {
  local place=$1 ssid=$2 channel=$3 security=$4 password=${5:-}
  local interface config
  interface=$(interface_of "$place")
  config=$rundir/$place.hostapd
  {
    printf 'interface=%s\ndriver=nl80211\nssid2=%s\nutf8_ssid=1\nhw_mode=g\nchannel=%s\nctrl_interface=/run/hostapd-%s\n' \
      "$interface" "$(printf '%s' "$ssid" | od -An -tx1 | tr -d ' \n')" "$channel" "$place"
    case $security in
      open) ;;
      wpa2) printf 'wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=%s\n' "$password" ;;
      wpa3) printf 'wpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_password=%s\n' "$password" ;;
    esac
  } >"$config"
  ip -n "$place" link set "$interface" up
  ip netns exec "$place" hostapd -B -t -P "$rundir/$place.hostapd.pid" -f "$log/hostapd-$place.log" "$config" \
    >>"$log/hostapd-$place.log" 2>&1 || fail "hostapd of the $place does not start" || return 1
  start_router "$place" "$interface"
}

# start_captive_access_point PLACE SSID CHANNEL PASSWORD: every way leads to the router's login page.
start_captive_access_point() {
  local cloud_seen_at
  cloud_seen_at=10.$(number_of "$1").0.1
  start_access_point "$1" "$2" "$3" wpa2 "$4" || return 1
  ip netns exec "$1" busybox nc -ll -p 80 -e sh "$story/login_page.sh" >/dev/null 2>&1 &
  echo $! >"$rundir/$1.login.pid"
}

start_router() {
  local place=$1 interface=$2 number
  number=$(number_of "$place")
  ip -n "$place" addr replace "10.$number.0.1/24" dev "$interface"
  ip netns exec "$place" dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces \
    --interface="$interface" --except-interface=lo --dhcp-authoritative \
    --dhcp-range="10.$number.0.50,10.$number.0.99,255.255.255.0,1h" --address="/$cloud_name/${cloud_seen_at:-$cloud_address}" \
    --dhcp-leasefile="$rundir/$place.leases" --pid-file="$rundir/$place.dnsmasq.pid" \
    --log-facility="$log/dnsmasq-$place.log" --log-dhcp || fail "dnsmasq of the $place does not start"
}

# The router is switched off: no beacon and no goodbye, as when the plug is pulled.
stop_access_point() {
  local place=$1 service
  for service in hostapd dnsmasq login; do
    [ ! -e "$rundir/$place.$service.pid" ] || kill -KILL "$(cat "$rundir/$place.$service.pid")"
    rm -f "$rundir/$place.$service.pid"
  done
  ip -n "$place" link set "$(interface_of "$place")" down
  ip -n "$place" addr flush dev "$(interface_of "$place")"
  ip netns exec "$place" iw dev "$(interface_of "$place")" set type managed
}

# has_station PLACE: somebody has joined the access point completely.
has_station() {
  ip netns exec "$1" iw dev "$(interface_of "$1")" station dump | grep -q 'authorized:[[:space:]]*yes'
}

# has_any_station PLACE: somebody has at least associated.
has_any_station() {
  ip netns exec "$1" iw dev "$(interface_of "$1")" station dump | grep -q '^Station'
}
