# A stock Edgent board: the firmware is the bench's, the radio is real. Its network on the bench is up exactly while the
# radio has joined the air's network and got an address, and all its traffic goes that way.

bench_url=http://127.0.0.1:8090/bench/v1

start_stock_board() {
  local place
  install -m 0755 "$story/board_radio.sh" "$rundir/board_radio.sh"
  install -m 0755 "$story/board_address.sh" "$rundir/board_address.sh"
  mkdir -p /etc/netns/board
  : >/etc/netns/board/resolv.conf
  ip netns exec board "$rehome" bench --cloud-host "$cloud_name" --cloud-tls "$cloud_address:$cloud_port" \
    --trust "$rundir/device-ca.pem" >"$log/bench.log" 2>&1 &
  until_true 30 'the bench answers' ask_bench GET /boards || return 1
  place=$(ask_bench POST /places "$(jq -n --arg ssid "$workshop_ssid" --arg password "$workshop_password" \
    '{name: "Workshop", networks: [{ssid: $ssid, password: $password, security: "wpa2", internet: true}]}')" | jq -r .id)
  board_network=/places/$place/networks/$workshop_ssid
  ask_bench POST "$board_network" '{"up": false}' >/dev/null || fail 'the bench has no place' || return 1
  board=$(ask_bench POST /boards "$(jq -n --arg place "$place" --arg template "$template_id" --arg name "$template_name" \
    '{firmware: "edgent-old", template_id: $template, template_name: $name, place: $place}')" | jq -r .id)
  ask_bench POST "/boards/$board/power" '{"on": true}' >/dev/null || fail 'the bench has no board' || return 1
  until_true 30 'the board opens its hotspot' board_is '.portal_url != null' || return 1
  start_board_radio
}

# ask_bench METHOD PATH [JSON]
ask_bench() {
  local body=()
  [ $# -lt 3 ] || body=(--header 'Content-Type: application/json' --data "$3")
  ip netns exec board curl --silent --show-error --fail --max-time 10 --noproxy '*' --request "$1" "${body[@]}" \
    "$bench_url$2" 2>>"$log/bench-client.log"
}

# board_is FILTER: what the bench tells of the board matches.
board_is() { board_view=$(ask_bench GET "/boards/$board") && jq -e "$1" <<<"$board_view" >/dev/null; }

# A radio of the 2.4 GHz band, which knows the network that the board is set up for.
start_board_radio() {
  board_mac=$(ip -n board -o link show wlan5 | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p')
  printf 'ctrl_interface=/run/board-wifi\nfreq_list=2412 2437 2462\nnetwork={\nssid="%s"\npsk="%s"\n}\n' \
    "$workshop_ssid" "$workshop_password" >"$rundir/board.conf"
  ip -n board link set wlan5 up
  ip netns exec board wpa_supplicant -B -t -i wlan5 -D nl80211 -c "$rundir/board.conf" -f "$log/board-wifi.log" ||
    fail 'the board has no Wi-Fi' || return 1
  BOARD_NETWORK=$bench_url$board_network BOARD_ADDRESS=$rundir/board_address.sh BOARD_LEASE=$rundir/board.lease \
    CLOUD_NAME=$cloud_name CLOUD_ADDRESS=$cloud_address \
    ip netns exec board wpa_cli -p /run/board-wifi -i wlan5 -a "$rundir/board_radio.sh" >>"$log/board-radio.log" 2>&1 &
}
