#!/bin/bash
# What wpa_cli calls when the board's radio has joined its network or lost it.
interface=$1
network_is() {
  curl --silent --show-error --fail --max-time 10 --noproxy '*' --header 'Content-Type: application/json' \
    --data "{\"up\": $1}" --output /dev/null "$BOARD_NETWORK"
}
echo "$2 at $(cut -d ' ' -f 1 /proc/uptime)"
case $2 in
  CONNECTED)
    busybox udhcpc -i "$interface" -n -q -f -t 10 -T 2 -O dns -s "$BOARD_ADDRESS" || exit 1
    # The bench looks no names up; whether the board could, is asked for it.
    server=$(sed -n 's/^dns=\([0-9.]*\).*/\1/p' "$BOARD_LEASE")
    busybox nslookup -type=a "$CLOUD_NAME" "$server" | grep -F "Address: $CLOUD_ADDRESS" && network_is true
    ;;
  DISCONNECTED)
    mv -f "$BOARD_LEASE" "$BOARD_LEASE.last"
    ip addr flush dev "$interface"
    network_is false
    ;;
esac
