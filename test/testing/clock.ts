/** What a clock would answer to `Introspect`. */
export const CLOCK_XML = `<node>
  <interface name="org.example.Clock">
    <method name="Now"><arg type="t" name="seconds" direction="out"/></method>
    <method name="SetAlarm"><arg type="t" name="at" direction="in"/>
      <arg type="s" name="text" direction="in"/><arg type="u" name="id" direction="out"/></method>
    <method name="List"><arg type="a{sv}" direction="out"/><arg type="(ob)" direction="out"/></method>
    <method name="Open"><arg type="h" direction="out"/></method>
    <signal name="Rang"><arg type="u" name="id"/></signal>
    <property name="Zone" type="s" access="readwrite"/>
    <property name="Ticks" type="u" access="read"/>
  </interface>
  <interface name="org.freedesktop.DBus.Properties"/>
</node>`;
