import { sessionConfig } from '../support/bus.js';

/** Small enough to be reached in a conversation. */
const LIMITS = `
  <limit name="max_message_size">65536</limit>
  <limit name="max_names_per_connection">4</limit>
  <limit name="max_match_rules_per_connection">6</limit>
  <limit name="max_replies_per_connection">4</limit>
  <limit name="max_completed_connections">6</limit>`;

const HEAD = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=@DIR@/bus</listen>
  <auth>EXTERNAL</auth>`;

/** As on a system bus: what is not allowed is refused. */
const RESTRICTED = `${HEAD}
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <deny send_destination="org.freedesktop.DBus"
          send_interface="org.freedesktop.DBus" send_member="ListNames"/>
    <allow own="com.example.A"/>
    <allow own_prefix="com.example.B"/>
    <allow send_destination="com.example.A"/>
    <allow send_destination="com.example.B" send_interface="com.example.I"/>
    <deny send_type="signal" send_interface="com.example.Secret"/>
    <deny receive_sender="com.example.B.Sub" receive_interface="com.example.J" receive_member="Changed"/>
  </policy>
  ${LIMITS}
</busconfig>
`;

/** Configurations under which conversations are held, by name. */
export const CONFIGURATIONS = new Map([
  ['session', sessionConfig('unix:path=@DIR@/bus', LIMITS)],
  ['restricted', RESTRICTED],
]);
