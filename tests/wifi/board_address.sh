#!/bin/sh
# What udhcpc calls with the answer of the address service in the board's network.
case $1 in
  bound | renew)
    ip addr replace "$ip/24" dev "$interface"
    ip route replace default via "$router" dev "$interface"
    printf 'nameserver %s\n' "$dns" >/etc/netns/board/resolv.conf
    env >"$BOARD_LEASE"
    ;;
esac
