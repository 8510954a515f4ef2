# The founding story, one function per step; `main.sh` says in which order.

vendor=Rehome
template_name='Plant lamp'
pop='label-7GQX-41'
workshop_ssid=Workshop
workshop_password='sawdust & glue 12'
customer_ssid='Müller’s 🏠 "5+5"'
customer_password='tulips=are#red%20'
# The waits between two tries grow to five minutes, and a try takes its time.
retry_wait_max_s=340
cloud_name=cloud.rehome.test
cloud_address=10.99.0.1
cloud_port=443
# Seconds a network may be away before the hotspot opens beside the search; 10 min by default, which would take the
# emulator a minute more.
grace_s=240

sees_workshop() {
  nmcli device wifi rescan ifname wlan0 >/dev/null 2>&1
  sleep 2
  nmcli -t -f SSID device wifi list ifname wlan0 --rescan no 2>/dev/null | grep -qxF "$workshop_ssid"
}

step_system() {
  start_system && start_radios && connect_routers && start_network_manager
}

step_workshop_network() {
  start_access_point workshop "$workshop_ssid" 1 wpa2 "$workshop_password" || return 1
  until_true 60 'NetworkManager hears the workshop' sees_workshop || return 1
  start_phone && until_true 30 'the phone hears the workshop' phone_sees "$workshop_ssid"
}

step_cloud() {
  start_cloud
}

# The kernel takes a second interface with the address of the first and never lets it come up. Then, as on a radio that
# offers none, one interface does both.
step_turns() {
  create_cloud_device 'Lamp with one interface' && prepare_device || return 1
  iw dev wlan0 interface add rehome-ap0 type __ap || fail 'no second interface' || return 1
  start_device
  until_true 45 'the phone sees the hotspot' phone_sees_hotspot || return 1
  is_access_point wlan0 || fail 'the hotspot is not on wlan0' || return 1
  phone_joins "$hotspot_ssid" "$pop" || return 1
  set_up "$workshop_ssid" "$workshop_password" || return 1
  until_true 60 'the hotspot is closed' phone_hears_no_hotspot || return 1
  phone_leaves
  stop_device
  has_no_connection || fail 'the agent left a connection behind' || return 1
  iw dev rehome-ap0 del
  rm -f "$rundir/device/home.flash"
}

# A stranger does not know the label. What is counted are attempts: the handshakes that fail for one passphrase are one.
step_lock() {
  mark_log
  start_device
  until_true 45 'the phone sees the hotspot' phone_sees_hotspot || return 1
  local attempt
  for attempt in 1 2 3 4 5; do
    log_says 'Too many wrong proofs' && { fail "closed after $((attempt - 1)) attempts"; return 1; }
    phone_is_refused "$hotspot_ssid" "guess-number-$attempt" || return 1
    # Longer than the time within which the handshakes of one phone are one attempt.
    [ "$attempt" -eq 5 ] || sleep 31
  done
  until_true 10 'the device says that its door is closed' log_says 'Too many wrong proofs' || return 1
  until_true 45 'the hotspot is closed' phone_hears_no_hotspot || return 1
  # Neither a crash nor a restart of the service is a power-on.
  kill_device
  mark_log
  start_device
  until_true 20 'the device runs again' log_says 'INIT =>' || return 1
  holds_for 15 'the hotspot of a restarted device stays closed' phone_hears_no_hotspot || return 1
  stop_device
}

step_hotspot() {
  create_cloud_device 'Lamp on the workbench' && prepare_device || return 1
  make_hotspot_interface || return 1
  local started_s
  started_s=$(uptime_s)
  power_up_device
  until_true 45 'the phone sees the hotspot' phone_sees_hotspot || return 1
  is_access_point rehome-ap0 || fail 'the hotspot has no interface of its own' || return 1
  local flags
  flags=$(hotspot_flags)
  case $flags in
    *WPA2-PSK*CCMP*) ;;
    *) fail "with a PoP the hotspot must be WPA2, and it is '$flags'" || return 1 ;;
  esac
  case $(hotspot_mhz) in
    2412 | 2437 | 2462) ;;
    *) fail "the hotspot is on $(hotspot_mhz) MHz, where many phones do not listen" || return 1 ;;
  esac
  note "'$hotspot_ssid' is in the air on $(hotspot_mhz) MHz, $flags, $(($(uptime_s) - started_s)) s after the start"
}

step_setup_page() {
  phone_joins "$hotspot_ssid" "$pop" || return 1
  grep -q '^ip=192\.168\.4\.' "$rundir/phone.lease" || fail 'the address is not of 192.168.4.0/24' || return 1
  local page board probe name
  page=$(phone_fetches /) || fail 'no page at /' || return 1
  grep -qi '<form\|<html' <<<"$page" || fail 'the page at / is no page' || return 1
  board=$(phone_fetches /board_info.json) || fail 'no /board_info.json' || return 1
  jq -e --arg id "$template_id" '.tmpl_id == $id' <<<"$board" >/dev/null || fail "board info: $board" || return 1
  jq -e --arg ssid "$workshop_ssid" 'any(.. | strings; . == $ssid)' <<<"$(phone_fetches /wifi_scan.json)" >/dev/null ||
    fail 'the list of networks lacks the workshop' || return 1
  probe=$(ip netns exec phone curl --silent --max-time 10 --output /dev/null --write-out '%{http_code} %{redirect_url}' \
    http://connectivitycheck.gstatic.com/generate_204) || fail 'the probe of a phone gets no answer' || return 1
  name=$(ip netns exec phone curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' http://blynk.setup/)
  note "the phone's own probe gets '$probe', http://blynk.setup/ gets $name"
  [ "${probe%% *}" = 302 ] || fail 'the probe is not led to the setup page' || return 1
  [ "$name" = 200 ] || fail 'blynk.setup is not the setup page'
}

# set_up SSID PASSWORD: from the phone in the hotspot to a device that is online.
set_up() {
  local answer started_s
  mark_log
  started_s=$(uptime_s)
  answer=$(phone_submits "$1" "$2" "$device_token") || fail '/config gets no answer' || return 1
  until_true 60 'the device says RUNNING' log_says '=> RUNNING' || return 1
  note "from /config to RUNNING $(($(uptime_s) - started_s)) s; $(grep -o '"[a-z]*":"[^"]*"' <<<"$answer" | head -n 1)"
  until_true 20 'the cloud sees the device online' is_online || return 1
  [ "$(device_network)" != '' ] || fail 'the device is in no network' || return 1
  memory_holds "$device_token" && memory_holds "$2" || fail 'the home is not in the memory'
}

step_set_up_in_workshop() {
  set_up "$workshop_ssid" "$workshop_password" || return 1
  has_station workshop || fail 'the workshop has no station'
}

step_release() {
  mark_log
  ask_cloud POST "/api/v1/devices/$device_id/release" '{}' >/dev/null || fail 'the release is refused' || return 1
  until_true 30 'the device erases its home' log_says 'RESET_CONFIG' || return 1
  until_true 45 'the cloud calls it safe to ship' is_safe_to_ship || return 1
  local secret
  for secret in "$device_token" "$workshop_password" "$workshop_ssid" "$cloud_name"; do
    ! memory_holds "$secret" || fail "something of the old home is left in the memory image" || return 1
  done
  until_true 45 'the phone sees the hotspot again' phone_sees_hotspot || return 1
  note "release state '$(release_state)'; no old secret in the whole image; the hotspot is back"
}

step_move() {
  stop_access_point workshop
  start_access_point customer "$customer_ssid" 6 wpa3 "$customer_password" || return 1
  create_cloud_device 'Lamp of the customer' || return 1
  phone_joins "$hotspot_ssid" "$pop" || return 1
  set_up "$customer_ssid" "$customer_password" || return 1
  has_station customer || fail 'the customer has no station' || return 1
  until_true 60 'the phone reads that it worked' hears '.step == "done"' || return 1
  until_true 45 'the hotspot closes' phone_hears_no_hotspot || return 1
  phone_leaves
}

# A router that restarts comes back before the grace is over: nothing is opened, nothing forgotten.
step_router_reboot() {
  mark_log
  stop_access_point customer
  until_true 60 'the device notices' log_says 'RUNNING =>' || return 1
  sleep 150
  ! log_says 'AP SSID' || fail 'the hotspot opened because a router restarted' || return 1
  phone_hears_no_hotspot || fail 'the phone hears the hotspot' || return 1
  memory_holds "$device_token" && memory_holds "$customer_password" || fail 'the home is gone' || return 1
  local started_s
  started_s=$(uptime_s)
  start_access_point customer "$customer_ssid" 6 wpa3 "$customer_password" || return 1
  until_true $retry_wait_max_s 'the device says RUNNING' log_says '=> RUNNING' || return 1
  note "RUNNING $(($(uptime_s) - started_s)) s after the router came back"
  until_true 20 'the cloud sees the device online' is_online
}

# The router goes, and at the same moment somebody opens a network of its name that asks for no password.
step_router_away() {
  away_since_s=$(uptime_s)
  mark_log
  stop_access_point customer
  twin_mark=$(($(wc -l <"$log/hostapd-workshop.log") + 1))
  start_access_point workshop "$customer_ssid" 6 open || return 1
  until_true 60 'the device notices' log_says 'RUNNING =>' || return 1
  note "noticed after $(($(uptime_s) - away_since_s)) s"
  sleep $((grace_s - 60))
  until_true 90 'recovery opens the hotspot' log_says 'AP SSID' || return 1
  [ $(($(uptime_s) - away_since_s)) -ge "$grace_s" ] || fail 'the hotspot opened before the grace was over' || return 1
  until_true 45 'the phone sees the hotspot' phone_sees_hotspot || return 1
  note "hotspot open $(($(uptime_s) - away_since_s)) s after the router went"
  memory_holds "$device_token" && memory_holds "$customer_password" || fail 'the home is gone'
}

# Nobody is in the twin, and nobody was since it appeared.
twin_stays_alone() {
  ! has_any_station workshop &&
    ! tail -n "+$twin_mark" "$log/hostapd-workshop.log" | grep -qE 'IEEE 802.11: (authenticated|associated)|AP-STA-CONNECTED'
}

step_evil_twin() {
  until_true 20 'the phone hears the twin' phone_sees "$customer_ssid" || return 1
  until_true 60 'the device looks for its network while the twin is there' log_says 'Connecting to WiFi' || return 1
  holds_for 15 'the device stays away from the open twin' twin_stays_alone || return 1
  is_offline || fail 'the cloud thinks the device is online' || return 1
  note "the device tried to join $(tail -n "+$log_mark" "$log/device.log" | grep -c 'Connecting to WiFi') times and took no open network"
  stop_access_point workshop
}

# status_holds FILTER: the phone reads a status that the filter accepts.
status_holds() { status=$(phone_fetches /status.json) && jq -e "$1" <<<"$status" >/dev/null; }

# hears FILTER: as status_holds. The phone may lose the hotspot while the radio changes its channel, and comes back as a
# phone does.
hears() {
  phone_is_joined || return 1
  status_holds "$1" && return 0
  ip -n phone addr show dev wlan3 | grep -q 'inet 192' || phone_asks_for_address
  status_holds "$1"
}

# trial_fails PASSWORD ERROR: a home in the workshop is tried in vain and told so; the old one stays.
trial_fails() {
  phone_joins "$hotspot_ssid" "$pop" || return 1
  mark_log
  phone_submits "$workshop_ssid" "$1" "$device_token" >/dev/null || fail '/config gets no answer' || return 1
  until_true 100 "the phone reads error $2" hears ".last_error == $2" || return 1
  note "the phone reads: $(jq -r '"\(.last_error) \(.message)"' <<<"$status")"
  memory_holds "$1" && { fail 'what was tried in vain was stored'; return 1; }
  memory_holds "$device_token" && memory_holds "$customer_password" || fail 'the home is gone' || return 1
  phone_leaves
  stop_access_point workshop
}

step_wrong_password() {
  start_access_point workshop "$workshop_ssid" 11 wpa2 "$workshop_password" && trial_fails 'not the password' 722
}

# A network with a login page: the certificate cannot be right, and what answers in place of the cloud is no cloud.
step_captive_portal() {
  start_captive_access_point workshop "$workshop_ssid" 11 "$workshop_password" && trial_fails "$workshop_password" 712
}

step_router_back() {
  mark_log
  local started_s
  started_s=$(uptime_s)
  start_access_point customer "$customer_ssid" 6 wpa3 "$customer_password" || return 1
  until_true $retry_wait_max_s 'the device says RUNNING' log_says '=> RUNNING' || return 1
  note "router away for $((started_s - away_since_s)) s; RUNNING $(($(uptime_s) - started_s)) s after it came back"
  until_true 20 'the cloud sees the device online' is_online || return 1
  has_station customer || fail 'the customer has no station' || return 1
  memory_holds "$device_token" && memory_holds "$customer_password" || fail 'the home is gone' || return 1
  # Whoever came because the network was gone has three minutes to read that it is back.
  sleep 170
  until_true 45 'the hotspot closes' phone_hears_no_hotspot
}

# What strands stock firmware: its network is not where it is powered up. Its owner gives it the other network, and no token.
step_powered_elsewhere() {
  stop_device
  stop_access_point customer
  start_access_point workshop "$workshop_ssid" 11 wpa2 "$workshop_password" || return 1
  mark_log
  local started_s
  started_s=$(uptime_s)
  power_up_device || return 1
  until_true 45 'the hotspot is in the air' is_access_point rehome-ap0 || return 1
  note "hotspot in the air $(($(uptime_s) - started_s)) s after the start"
  until_true 45 'the phone sees the hotspot' phone_sees_hotspot || return 1
  memory_holds "$device_token" && memory_holds "$customer_password" || fail 'the home is gone' || return 1
  phone_joins "$hotspot_ssid" "$pop" || return 1
  mark_log
  phone_changes_network "$workshop_ssid" "$workshop_password" >/dev/null || fail '/config gets no answer' || return 1
  until_true 60 'the device says RUNNING' log_says '=> RUNNING' || return 1
  until_true 20 'the cloud sees the device online' is_online || return 1
  has_station workshop || fail 'the workshop has no station' || return 1
  phone_leaves
  local secret
  for secret in "$device_token" "$customer_password" "$workshop_password"; do
    memory_holds "$secret" || fail 'the new network is not stored beside the old one' || return 1
  done
  mark_log
  stop_access_point workshop
  start_access_point customer "$customer_ssid" 6 wpa3 "$customer_password" || return 1
  until_true $retry_wait_max_s 'the device is back in the network it knew' log_says '=> RUNNING'
}
