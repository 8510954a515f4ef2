# The real cloud, in a network of its own behind the routers.

start_cloud() {
  mkdir -p "$rundir/cloud"
  ip netns exec cloud "$rehome" serve --data-dir "$rundir/cloud" --listen 127.0.0.1:8080 \
    --listen-tls "$cloud_address:$cloud_port" --public-host "$cloud_name" >"$log/cloud.log" 2>&1 &
  until_true 60 'the cloud answers' cloud_answers
}

cloud_answers() {
  [ -s "$rundir/cloud/admin-api-key" ] && ask_cloud GET /healthz >/dev/null
}

# ask_cloud METHOD PATH [JSON]
ask_cloud() {
  local body=()
  [ $# -lt 3 ] || body=(--header 'Content-Type: application/json' --data "$3")
  ip netns exec cloud curl --silent --show-error --fail --max-time 20 --noproxy '*' --request "$1" "${body[@]}" \
    --header @<(printf 'Authorization: Bearer %s' "$(cat "$rundir/cloud/admin-api-key")") "http://127.0.0.1:8080$2" \
    2>>"$log/cloud-client.log"
}

# create_cloud_device NAME: sets device_id and device_token.
create_cloud_device() {
  local answer template
  if [ -z "${template_id:-}" ]; then
    template=$(ask_cloud POST /api/v1/templates "{\"name\":\"$template_name\"}") || fail 'no template' || return 1
    template_id=$(jq -r .id <<<"$template")
  fi
  answer=$(ask_cloud POST /api/v1/devices "{\"template_id\":\"$template_id\",\"name\":\"$1\"}") ||
    fail 'no device in the cloud' || return 1
  device_id=$(jq -r .id <<<"$answer")
  device_token=$(jq -r .token <<<"$answer")
  [ ${#device_token} -eq 32 ] || fail 'the cloud gave no token'
}

is_online() { [ "$(ask_cloud GET "/api/v1/devices/$device_id" | jq -r .online)" = true ]; }
is_offline() { [ "$(ask_cloud GET "/api/v1/devices/$device_id" | jq -r .online)" = false ]; }
release_state() { ask_cloud GET "/api/v1/devices/$device_id/release" | jq -r .state; }
is_safe_to_ship() { [ "$(ask_cloud GET "/api/v1/devices/$device_id/release" | jq -r .safe_to_ship)" = true ]; }
