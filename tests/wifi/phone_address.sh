#!/bin/sh
# What udhcpc calls with the answer of the hotspot's address service.
case $1 in
  bound | renew)
    ip addr replace "$ip/24" dev "$interface"
    ip route replace default via "${router:-192.168.4.1}" dev "$interface"
    printf 'nameserver %s\n' "$dns" >/etc/netns/phone/resolv.conf
    env >"$PHONE_LEASE"
    ;;
esac
