"""The interface that every service of the language matrix offers and every client uses."""

BASE_NAME = 'org.example.Interop'
PATH = '/org/example/Interop'
INTERFACE = 'org.example.Interop'
REFUSED = 'org.example.Interop.Error.Refused'
PROPERTIES = 'org.freedesktop.DBus.Properties'
BUS = 'org.freedesktop.DBus'
BUS_PATH = '/org/freedesktop/DBus'

LARGE_BYTES = 8 * 1024 * 1024

# dbus-next takes -(2 ** 63) for out of range.
LEAST_INT64 = 1 - 2**63

XML = '''
<node>
  <interface name="org.example.Interop">
    <method name="Echo">
      <arg name="value" type="v" direction="in"/><arg name="same" type="v" direction="out"/>
    </method>
    <method name="Sum">
      <arg name="terms" type="ai" direction="in"/><arg name="sum" type="i" direction="out"/>
    </method>
    <method name="Refuse"/>
    <method name="Length">
      <arg name="bytes" type="ay" direction="in"/><arg name="length" type="u" direction="out"/>
    </method>
    <method name="Zeros">
      <arg name="length" type="u" direction="in"/><arg name="bytes" type="ay" direction="out"/>
    </method>
    <method name="ReadDescriptor">
      <arg name="fd" type="h" direction="in"/><arg name="text" type="s" direction="out"/>
    </method>
    <method name="OpenDescriptor">
      <arg name="text" type="s" direction="in"/><arg name="fd" type="h" direction="out"/>
    </method>
    <method name="Tick"><arg name="text" type="s" direction="in"/></method>
    <method name="Hang"/>
    <signal name="Ticked"><arg name="text" type="s"/></signal>
    <property name="Label" type="s" access="readwrite"/>
    <property name="Version" type="u" access="read"/>
  </interface>
</node>
'''
