# The maker's tools: the same device is set up from a laptop, and a stranded stock board is rescued with it.

step_laptop() {
  start_laptop || return 1
  on_laptop curl --silent --show-error --fail --max-time 10 --noproxy '*' --cacert "$rundir/device-ca.pem" \
    --output /dev/null "https://$cloud_name/healthz" 2>>"$log/laptop-web.log" || fail 'the laptop does not reach the cloud'
}

# The device leaves the customer, whose laptop sets it up once more: nobody names the hotspot, joins it or sends a token.
step_provision() {
  ask_cloud POST "/api/v1/devices/$device_id/release" '{}' >/dev/null || fail 'the release is refused' || return 1
  until_true 45 'the cloud calls it safe to ship' is_safe_to_ship || return 1
  until_true 45 'the phone sees the hotspot again' phone_sees_hotspot || return 1
  local old_id=$device_id started_s
  started_s=$(uptime_s)
  laptop_provisions || return 1
  device_id=$(jq -r 'select(.result == "connected") | .device_id' "$log/provision.json")
  # A board that the cloud knows goes on in its newest record.
  [ "$device_id" = "$old_id" ] || fail "provision said $(jq -c . "$log/provision.json")" || return 1
  grep -qxF "joining the hotspot \"$hotspot_ssid\"" "$log/provision.log" || fail 'no hotspot was joined' || return 1
  note "from the search for the hotspot to the end $(($(uptime_s) - started_s)) s"
  until_true 20 'the cloud sees the device online' is_online || return 1
  has_station customer || fail 'the customer has no station' || return 1
  memory_holds "$customer_password" || fail 'the home is not in the memory' || return 1
  until_true 10 'the laptop is in its Wi-Fi as before' is_laptop_as_before || return 1
  grep -qF "\"$laptop_wifi\" is connected as before" "$log/provision.log" || fail 'provision did not say so'
}

step_stranded() {
  create_cloud_device 'Stock board' || return 1
  start_stock_board || return 1
  start_access_point workshop "$workshop_ssid" 1 wpa2 "$workshop_password" || return 1
  until_true 60 'the board radio gets an address in the workshop' test -s "$rundir/board.lease" || return 1
  printf '%s' "$device_token" >"$rundir/board-token"
  board_is true || fail 'the bench does not answer' || return 1
  ip netns exec board "$rehome" provision --portal-url "$(jq -r .portal_url <<<"$board_view")" --ssid "$workshop_ssid" \
    --password-file "$rundir/laptop/workshop-password" --token-file "$rundir/board-token" --host "$cloud_name" \
    --port "$cloud_port" --follow-s 3 >"$log/board-setup.log" 2>&1 ||
    fail "rehome provision: $(tail -n 1 "$log/board-setup.log")" || return 1
  until_true 40 'the board runs' board_is '.state == "RUNNING"' || return 1
  until_true 20 'the cloud sees the board online' is_online || return 1
  stop_access_point workshop
  until_true 60 'the board loses its network' board_is '.network_ssid == null' || return 1
  # A minute later it still looks for it, and opens no hotspot: that is what stranded means.
  sleep 60
  until_true 60 'the cloud sees the board offline' is_offline || return 1
  board_is '.state == "CONNECTING_NET" and .hotspot == null and .token_stored' ||
    fail "the board is not stranded: $board_view"
}

step_rescue() {
  local started_s
  started_s=$(uptime_s)
  laptop_rescues || return 1
  note "safe to ship $(($(uptime_s) - started_s)) s after the rescue began"
  rescue_told '.event == "release" and .state == "pending"' || fail 'the release was not ordered, or not told' || return 1
  rescue_told '.event == "board_joined" and (.mac | ascii_downcase) == $mac' ||
    fail 'the board was not seen joining' || return 1
  grep -q '^router=10\.42\.' "$rundir"/board.lease* || fail 'the board got no address of the laptop' || return 1
  ! rescue_told '.event == "no_way_out"' || fail 'the cable was not seen' || return 1
  rescue_told '.event == "network_down" and .restored == $wifi' || fail 'the laptop did not get its Wi-Fi back' || return 1
  is_safe_to_ship || fail 'the cloud does not call it safe to ship' || return 1
  board_is '.hotspot != null and (.token_stored or .home_stored | not)' ||
    fail "the board is not wiped: $board_view" || return 1
  [ "$(ask_bench GET "/boards/$board/flash/summary" | jq .secrets_found)" = false ] ||
    fail 'something of the old home is left in the memory of the board' || return 1
  is_laptop_as_before || fail 'the laptop is not as before'
}
