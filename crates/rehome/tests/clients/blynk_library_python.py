"""Drives the unmodified PyPI client: logs in, writes V1, prints what it receives on V2 as one JSON line each.

Usage: python blynk_library_python.py <token> <port>
"""

import json
import sys

import BlynkLib

token, port = sys.argv[1], int(sys.argv[2])


def report(event, detail=None):
    print("\nEVENT " + json.dumps({"event": event, "detail": detail}), flush=True)


blynk = BlynkLib.Blynk(token, server="127.0.0.1", port=port)


@blynk.ON("connected")
def connected(*_arguments, **_named):
    report("connected")
    blynk.virtual_write(1, "written by python")


@blynk.ON("V2")
def received(values):
    report("received", values)


while True:
    blynk.run()
