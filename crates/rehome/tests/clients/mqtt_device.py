"""Drives the unmodified PyPI client paho-mqtt as a device.

Usage: python mqtt_device.py <token> <port> <3|5> <tcp|websockets>

Prints one JSON line for each thing that happens.
"""

import json
import sys

import paho.mqtt.client as mqtt

token, port, version, transport = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol, transport=transport)
client.username_pw_set("device", token)
client.ws_set_options(path="/mqtt")


def report(event, detail=None):
    print("\nEVENT " + json.dumps({"event": event, "detail": detail}), flush=True)


def connected(client, _userdata, _flags, reason, _properties=None):
    if reason.is_failure:
        report("refused", str(reason))
        client.disconnect()
        return
    client.subscribe("downlink/#")


def subscribed(client, _userdata, _mid, _reasons, _properties=None):
    client.publish("info/mcu", json.dumps({"tmpl": "TMPLx", "ver": "1.2.3", "type": "TMPLx", "rxbuff": 1024}))
    client.publish("batch_ds", json.dumps({"Temperature": 21.5, "Power": True}))
    client.publish("ds/Set Temperature", "19", qos=1)
    report("connected")


def published(_client, _userdata, mid, reason, _properties=None):
    report("published", {"mid": mid, "reason": str(reason)})


def received(_client, _userdata, message):
    report("received", {"topic": message.topic, "payload": message.payload.decode()})
    if message.topic == "downlink/ds/Power":
        client.publish("event/high_temp", "T=36")
        client.publish("get/ds", "Set Temperature,Temperature")
        client.publish("get/utc/all/json")
        client.publish("ds/Unknown", "1", qos=1)


client.on_connect = connected
client.on_subscribe = subscribed
client.on_publish = published
client.on_message = received
client.connect("127.0.0.1", port, keepalive=45)
client.loop_forever(retry_first_connection=False)
