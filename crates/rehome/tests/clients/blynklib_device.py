"""Drives the unmodified PyPI client blynklib: logs in, writes V1, prints what it receives on V2 as one JSON line each.

Usage: python blynklib_device.py <token> <port> [<file with the authority's certificate>]

Pings after a second of silence; with a certificate the connection is made over TLS.
"""

import json
import sys

import blynklib

token, port, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None


def report(event, detail=None):
    print("\nEVENT " + json.dumps({"event": event, "detail": detail}), flush=True)


has_pinged = False


def log(text, *_arguments):
    global has_pinged
    if str(text).startswith("Heartbeat time"):
        has_pinged = True
    elif str(text).startswith("Response status") and has_pinged:
        report("pinged", text)
    elif str(text).startswith("[ERROR]"):
        report("given up", text)


blynk = blynklib.Blynk(token, server="localhost", port=port, ssl_cert=authority, heartbeat=1, log=log)


@blynk.handle_event("connect")
def connected():
    report("connected")
    blynk.virtual_write(1, "written by blynklib")


@blynk.handle_event("write V2")
def received(_pin, values):
    report("received", values)


while True:
    blynk.run()
