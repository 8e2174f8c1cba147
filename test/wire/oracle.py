"""Independent D-Bus codecs for the wire tests: libdbus (by ctypes) and GDBus (by GObject introspection).

A line in, a line out. `<command> [<argument>] <hex>`:
  message <hex>          verdict of libdbus on a whole message: "ok", or why not
  name <kind> <hex>      dbus_validate_<kind>: "ok" or "no"
  signature <hex>        dbus_signature_validate: "ok" or "no"
  address <hex>          dbus_parse_address: JSON list of [transport, path], or "no"
  gdbus <hex>            the message read by GDBus, and written again: JSON {fields, body, blob}
"""

import ctypes
import json
import struct
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

dbus = ctypes.CDLL("libdbus-1.so.3")
dbus.dbus_message_demarshal.restype = ctypes.c_void_p
dbus.dbus_message_demarshal.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
dbus.dbus_message_unref.argtypes = [ctypes.c_void_p]
dbus.dbus_address_entry_get_method.restype = ctypes.c_char_p
dbus.dbus_address_entry_get_method.argtypes = [ctypes.c_void_p]
dbus.dbus_address_entry_get_value.restype = ctypes.c_char_p
dbus.dbus_address_entry_get_value.argtypes = [ctypes.c_void_p, ctypes.c_char_p]


class DBusError(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("message", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("padding", ctypes.c_void_p),
    ]


def message(data):
    error = DBusError()
    dbus.dbus_error_init(ctypes.byref(error))
    parsed = dbus.dbus_message_demarshal(data, len(data), ctypes.byref(error))
    if parsed:
        dbus.dbus_message_unref(parsed)
        return "ok"
    why = (error.message or b"incomplete").decode()
    dbus.dbus_error_free(ctypes.byref(error))
    return why.replace("\n", " ")


def address(data):
    entries = ctypes.POINTER(ctypes.c_void_p)()
    count = ctypes.c_int()
    if not dbus.dbus_parse_address(data, ctypes.byref(entries), ctypes.byref(count), None):
        return "no"
    result = []
    for i in range(count.value):
        path = dbus.dbus_address_entry_get_value(entries[i], b"path")
        transport = dbus.dbus_address_entry_get_method(entries[i])
        result.append([transport.decode(), None if path is None else path.decode(errors="replace")])
    return json.dumps(result)


def canonical(value):
    """[type, text] for basic values, [type, [children]] for containers."""
    kind = value.get_type_string()
    if kind == "d":
        return [kind, struct.pack(">d", value.get_double()).hex()]
    if kind == "b":
        return [kind, "true" if value.get_boolean() else "false"]
    if value.is_container():
        return [kind, [canonical(value.get_child_value(i)) for i in range(value.n_children())]]
    return [kind, str(value.unpack())]


def gdbus(data):
    capabilities = Gio.DBusCapabilityFlags.UNIX_FD_PASSING
    parsed = Gio.DBusMessage.new_from_blob(data, capabilities)
    body = parsed.get_body()
    fields = {str(int(code)): parsed.get_header(code).unpack() for code in parsed.get_header_fields()}
    return json.dumps(
        {
            "type": int(parsed.get_message_type()),
            "serial": parsed.get_serial(),
            "fields": fields,
            "body": None if body is None else canonical(body),
            "blob": bytes(parsed.to_blob(capabilities)).hex(),
        }
    )


def answer(command, *arguments):
    data = bytes.fromhex(arguments[-1])
    if command == "message":
        return message(data)
    if command == "name":
        return "ok" if dbus["dbus_validate_" + arguments[0]](data, None) else "no"
    if command == "signature":
        return "ok" if dbus.dbus_signature_validate(data, None) else "no"
    if command == "address":
        return address(data)
    if command == "gdbus":
        try:
            return gdbus(data)
        except GLib.Error as error:
            return "error " + error.message.replace("\n", " ")
    raise ValueError(command)


for line in sys.stdin:
    print(answer(*line.rstrip("\n").split(" ")), flush=True)
