#!/bin/bash
# Plays the story step by step and tells the host what was seen. The first step that fails ends it; what was not reached
# is named.
set -u
exec </dev/null
story=/story
log=/run/log
rehome=/usr/bin/rehome
rundir=/run/story
export HOME=/root LC_ALL=C.UTF-8

for part in report environment access_points phone cloud device story laptop stock_board maker_story; do
  # shellcheck source=/dev/null
  . "$story/$part.sh"
done

steps=(
  'system|Six radios, udev, D-Bus, polkit, wpa_supplicant and NetworkManager are up'
  'workshop_network|NetworkManager and a phone hear the workshop (WPA2)'
  'cloud|The real cloud runs behind the routers'
  'turns|A second interface that never comes up: one radio opens the hotspot and is set up in turn'
  'lock|Five wrong passphrases close the hotspot until the next power-on'
  'hotspot|An unprovisioned device opens its hotspot'
  'setup_page|A phone joins it with the PoP, gets an address and the setup page'
  'set_up_in_workshop|Set up by /config, the device runs in the workshop'
  'release|Released, the device is wiped and opens its hotspot'
  'move|Moved, it is set up at the customer (WPA3)'
  'router_reboot|The router restarts for minutes: no hotspot, RUNNING with the old home'
  'router_away|The router goes: recovery opens the hotspot, the home stays'
  'evil_twin|An open network of the same name is not joined'
  'wrong_password|A wrong password is explained to the phone, the old home stays'
  'captive_portal|A network with a login page is told from the cloud, the old home stays'
  'router_back|The router comes back: RUNNING with the old home, hotspot closed'
  'powered_elsewhere|Powered up where its network is not: hotspot within 45 s, home kept; another network is enough'
  'laptop|The laptop of the maker is in the Wi-Fi of the customer and on a cable'
  'provision|`rehome provision` finds the hotspot of the released device, joins it, sets it up and leaves'
  'stranded|A stock Edgent board, set up in the workshop, is stranded without its network'
  'rescue|`rehome rescue` raises the lost network: the board comes back and is wiped'
)

has_failed=
for step in "${steps[@]}"; do
  name=${step%%|*}
  if [ -n "$has_failed" ]; then
    report "missed $name ${step#*|}"
    continue
  fi
  report "start $name ${step#*|}"
  started_s=$(uptime_s)
  if "step_$name"; then
    report "done $name $(($(uptime_s) - started_s))"
  else
    report "failed $name $(($(uptime_s) - started_s))"
    has_failed=1
  fi
  save_logs
done
ip netns exec phone wpa_cli -p /run/phone-wifi -i wlan3 scan_results >"$log/phone-hears.log" 2>&1
nmcli device >"$log/nmcli.log" 2>&1
dmesg >"$log/kernel.log"
save_logs
if [ -n "$has_failed" ]; then report 'end fail'; else report 'end pass'; fi
busybox poweroff -f
