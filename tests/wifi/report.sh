# What the emulated machine tells the host, one line each, over its second serial port.

report() {
  printf '%s\n' "$*" >/dev/ttyS1
}

# Uptime in whole seconds: the time since power-on.
uptime_s() {
  local uptime
  read -r uptime _ </proc/uptime
  echo "${uptime%%.*}"
}

# Hands the logs over. They are written to memory first: while this computer is slow to take a line, the machine's clock
# would run on.
save_logs() {
  cp -r "$log" /exchange/
}

# note TEXT: a fact worth showing under the running step.
note() {
  report "note $*"
}

# fail TEXT: says why the running step fails. Use as `... || fail "why"`; it returns 1.
fail() {
  report "why $*"
  return 1
}

# until_true SECONDS WHAT COMMAND...: repeats the command until it succeeds; after the time is up it fails and says so.
until_true() {
  local deadline=$(($(uptime_s) + $1)) what=$2
  local limit_s=$1
  shift 2
  until "$@"; do
    if [ "$(uptime_s)" -ge "$deadline" ]; then
      fail "not within $limit_s s: $what"
      return 1
    fi
    # Looking costs more than waiting: the clock of a machine that waits jumps.
    sleep 1
  done
}

# holds_for SECONDS WHAT COMMAND...: the command must succeed again and again for the whole time.
holds_for() {
  local deadline=$(($(uptime_s) + $1)) what=$2
  shift 2
  while [ "$(uptime_s)" -lt "$deadline" ]; do
    "$@" || { fail "does not hold: $what"; return 1; }
    sleep 1
  done
}
