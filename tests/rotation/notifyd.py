"""A notification daemon for tests: owns org.freedesktop.Notifications on the session
bus and writes what it is shown to a file, a JSON line each. Usage: notifyd.py FILE COMMAND…
Runs the command once it is there, and ends with its status."""

import json
import subprocess
import sys
import threading

from jeepney import DBusAddress, MessageType, new_error, new_method_call, new_method_return
from jeepney.io.blocking import open_dbus_connection

path, command = sys.argv[1], sys.argv[2:]
connection = open_dbus_connection(bus="SESSION")
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
reply = connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", ("org.freedesktop.Notifications", 4)))
assert reply.body == (1,), reply.body


def serve():
    while True:
        message = connection.receive()
        if message.header.message_type != MessageType.method_call:
            continue
        member = message.header.fields[3]
        if member == "Notify":
            application, _, _, title, body, *_ = message.body
            with open(path, "a") as out:
                out.write(json.dumps([application, title, body]) + "\n")
            answer = new_method_return(message, "u", (1,))
        elif member == "GetServerInformation":
            answer = new_method_return(message, "ssss", ("notifyd", "tests", "1", "1.2"))
        elif member == "GetCapabilities":
            answer = new_method_return(message, "as", (["body"],))
        else:
            answer = new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")
        connection.send(answer)


threading.Thread(target=serve, daemon=True).start()
sys.exit(subprocess.run(command).returncode)
