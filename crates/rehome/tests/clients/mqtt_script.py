"""Drives the unmodified PyPI client paho-mqtt through what one line of JSON asks for.

Usage: python mqtt_script.py <port> <3|5> <script>

The script is an object with `username`, `password`, and, where wanted, `will` (topic and payload), `subscribe` (filters), `publish`
(lists of topic, payload and quality of service, sent once every filter is answered) and `end`: `leave` or `vanish` after the last
publication, or nothing, to stay. Prints one JSON line for each thing that happens.
"""

import json
import os
import sys

import paho.mqtt.client as mqtt

port, version, script = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol)
client.username_pw_set(script["username"], script["password"])
if "will" in script:
    client.will_set(*script["will"])
unpublished = set()


def report(event, detail=None):
    print("\nEVENT " + json.dumps({"event": event, "detail": detail}), flush=True)


def publish():
    for topic, payload, quality in script.get("publish", []):
        unpublished.add(client.publish(topic, payload, qos=quality).mid)
    end_when_done()


def end_when_done():
    if unpublished:
        return
    report("done")
    if script.get("end") == "leave":
        client.disconnect()
    elif script.get("end") == "vanish":
        report("vanished")
        # Without a good-bye: the system closes the connection.
        os._exit(0)


def connected(_client, _userdata, _flags, reason, _properties=None):
    if reason.is_failure:
        report("refused", str(reason))
        client.disconnect()
        return
    report("connected")
    filters = script.get("subscribe", [])
    if filters:
        client.subscribe([(each, 0) for each in filters])
    else:
        publish()


def subscribed(_client, _userdata, _mid, reasons, _properties=None):
    report("subscribed", [not reason.is_failure for reason in reasons])
    publish()


def published(_client, _userdata, mid, reason, _properties=None):
    report("published", {"mid": mid, "reason": str(reason)})
    unpublished.discard(mid)
    end_when_done()


def received(_client, _userdata, message):
    report("received", {"topic": message.topic, "payload": message.payload.decode(), "quality": message.qos})


def disconnected(_client, _userdata, _flags, reason, _properties=None):
    report("disconnected", str(reason))
    client.disconnect()


client.on_connect = connected
client.on_subscribe = subscribed
client.on_publish = published
client.on_message = received
client.on_disconnect = disconnected
client.connect("127.0.0.1", port, keepalive=45)
client.loop_forever(retry_first_connection=False)
