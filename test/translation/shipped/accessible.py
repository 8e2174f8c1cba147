# A program whose objects libatk's bridge to D-Bus shows, as every GTK 3 program does: a window with a button.
import ctypes
import signal
import sys

import gi

gi.require_version("Atk", "1.0")
from gi.repository import Atk, GLib  # noqa: E402

POINTER = ctypes.c_void_p
OBJECT_CLASS_SIZE = 17 * 8  # GObjectClass
REF_CHILD = 4  # of AtkObjectClass, which Python does not know
GET_ROOT = 4  # of AtkUtilClass

gobject = ctypes.CDLL("libgobject-2.0.so.0")
gobject.g_type_class_ref.restype = gobject.g_object_ref.restype = POINTER
gobject.g_type_class_ref.argtypes = gobject.g_object_ref.argtypes = [POINTER]
atk = ctypes.CDLL("libatk-1.0.so.0")
atk.atk_util_get_type.restype = POINTER
bridge = ctypes.CDLL("libatk-bridge-2.0.so.0")
bridge.atk_bridge_adaptor_init.argtypes = [POINTER, POINTER]

kept = []


def override(gtype, index, arguments, function):
    """Writes a virtual function that returns an object into a class."""
    callback = ctypes.CFUNCTYPE(POINTER, *arguments)(function)
    kept.append(callback)
    functions = gobject.g_type_class_ref(gtype) + OBJECT_CLASS_SIZE
    slot = ctypes.cast(functions + index * 8, ctypes.POINTER(POINTER))
    slot[0] = ctypes.cast(callback, POINTER).value


class Accessible(Atk.Object):
    at = {}

    def __init__(self, name, role, *children):
        super().__init__()
        self.at[hash(self)] = self
        self.set_name(name)
        self.set_role(role)
        self.children = list(children)
        for child in children:
            child.set_parent(self)

    def do_get_n_children(self):
        return len(self.children)

    def do_get_index_in_parent(self):
        parent = self.get_parent()
        return parent.children.index(self) if parent else -1


def ref_child(pointer, index):
    children = Accessible.at[pointer].children
    return gobject.g_object_ref(hash(children[index])) if index < len(children) else None


button = Accessible("OK", Atk.Role.PUSH_BUTTON)
window = Accessible("Question", Atk.Role.FRAME, button)
window.add_relationship(Atk.RelationType.CONTROLLER_FOR, button)
root = Accessible("example", Atk.Role.APPLICATION, window)
override(hash(Accessible.__gtype__), REF_CHILD, [POINTER, ctypes.c_int], ref_child)
override(atk.atk_util_get_type(), GET_ROOT, [], lambda: hash(root))
if bridge.atk_bridge_adaptor_init(None, None) != 0:
    sys.exit("libatk-bridge does not work")


def children_changed(how, child):
    name = b"children-changed::" + how
    gobject.g_signal_emit_by_name(POINTER(hash(window)), name, 1, POINTER(hash(child)), None)


def add_or_remove():
    """Adds a button, or removes it again."""
    if len(window.children) == 1:
        added = Accessible("Cancel", Atk.Role.PUSH_BUTTON)
        added.set_parent(window)
        window.children.append(added)
        children_changed(b"add", added)
    else:
        removed = window.children.pop()
        children_changed(b"remove", removed)
        removed.notify_state_change(Atk.StateType.DEFUNCT, True)
    return True


GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, add_or_remove)
print("runs", flush=True)
GLib.MainLoop().run()
