# The maker's laptop: its own radio in the customer's Wi-Fi, a cable to the cloud, and a NetworkManager with a message bus
# of its own, so that only the air connects it with the device.

laptop_wifi='Office Wi-Fi'

# The laptop's cable, with somebody at its other end who knows the cloud's name.
connect_laptop() {
  ip link add to-laptop netns cloud type veth peer name to-cloud netns laptop
  ip -n cloud addr add 10.99.3.1/24 dev to-laptop
  ip -n cloud link set to-laptop up
  mkdir -p /etc/netns/laptop
  echo 'nameserver 10.99.3.1' >/etc/netns/laptop/resolv.conf
  ip netns exec cloud dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --interface=to-laptop \
    --except-interface=lo --address="/$cloud_name/$cloud_address" --local="/$cloud_name/" --pid-file="$rundir/cable.dnsmasq.pid" \
    --log-facility="$log/dnsmasq-cable.log" || fail 'nobody on the cable knows the cloud'
}

start_laptop() {
  connect_laptop || return 1
  local connections=$rundir/laptop/connections
  mkdir -p "$connections" "$rundir/laptop/conf.d"
  cat >"$rundir/laptop/NetworkManager.conf" <<'CONF'
[main]
plugins=keyfile
dhcp=internal
dns=none
no-auto-default=*
auth-polkit=root-only

[keyfile]
path=/run/story/laptop/connections
unmanaged-devices=*,except:interface-name:wlan4,except:interface-name:to-cloud
CONF
  cat >"$connections/cable.nmconnection" <<'CONF'
[connection]
id=Cable
uuid=00000000-0000-4000-8000-000000000001
type=ethernet
interface-name=to-cloud

[ipv4]
method=manual
address1=10.99.3.2/24,10.99.3.1

[ipv6]
method=disabled
CONF
  # The name as numbers: a file of settings has rules of its own for letters outside ASCII.
  cat >"$connections/office.nmconnection" <<CONF
[connection]
id=$laptop_wifi
uuid=00000000-0000-4000-8000-000000000002
type=wifi
interface-name=wlan4

[wifi]
ssid=$(printf '%s' "$customer_ssid" | od -An -v -tu1 | tr -s ' \n' ';' | sed 's/^;//')

[wifi-security]
key-mgmt=sae
psk=$customer_password

[ipv4]
method=auto

[ipv6]
method=disabled
CONF
  chmod 0600 "$connections"/*
  printf '%s' "$customer_password" >"$rundir/laptop/customer-password"
  printf '%s' "$workshop_password" >"$rundir/laptop/workshop-password"
  printf '%s' "$pop" >"$rundir/laptop/pop"
  chmod 0600 "$rundir/laptop"/{customer-password,workshop-password,pop}
  ip netns exec laptop bash "$story/laptop_services.sh" "$rundir/laptop" "$log" &
  until_true 60 'the laptop is in its Wi-Fi and on its cable' is_laptop_as_before
}

# on_laptop COMMAND...: runs it as root on the laptop, with the laptop's message bus.
on_laptop() {
  busybox nsenter -t "$(cat "$rundir/laptop/pid")" -m -n "$@"
}

# The connections that are up, and none of ours.
is_laptop_as_before() {
  [ -s "$rundir/laptop/pid" ] &&
    [ "$(on_laptop nmcli -t -f NAME,DEVICE connection show --active 2>/dev/null | grep -v ':lo$' | sort)" = \
      "Cable:to-cloud
$laptop_wifi:wlan4" ] &&
    on_laptop iw dev wlan4 info | grep -q 'type managed'
}

# What `rehome` is told about the server; the secrets are in files.
laptop_server=(--server "https://$cloud_name" --server-ca "$rundir/device-ca.pem" --api-key-file "$rundir/cloud/admin-api-key")

# laptop_provisions: finds the device's hotspot, whatever its name, and sets it up for the customer.
laptop_provisions() {
  on_laptop "$rehome" provision --ssid "$customer_ssid" --password-file "$rundir/laptop/customer-password" \
    --pop-file "$rundir/laptop/pop" --session --template "$template_id" "${laptop_server[@]}" --json \
    >"$log/provision.json" 2>"$log/provision.log" || fail "rehome provision: $(tail -n 1 "$log/provision.log")"
}

# laptop_rescues: releases the board and raises the workshop's lost network until it is safe to ship.
laptop_rescues() {
  on_laptop "$rehome" rescue --ssid "$workshop_ssid" --password-file "$rundir/laptop/workshop-password" \
    --device "$device_id" --release "${laptop_server[@]}" --for-s 240 --json >"$log/rescue.json" 2>"$log/rescue.log" ||
    fail "rehome rescue: $(tail -n 1 "$log/rescue.log") $(tail -n 1 "$log/rescue.json")"
}

# rescue_told FILTER: one of the events that the rescue told matches.
rescue_told() { jq -es --arg mac "${board_mac:-}" --arg wifi "$laptop_wifi" "any(.[]; $1)" "$log/rescue.json" >/dev/null; }
