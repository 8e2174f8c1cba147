// Introspection data: D-Bus Specification, "Introspection Data Format".
import { describe, expect, test } from 'vitest';
import { IntrospectionError, parseIntrospection } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';

const XML = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd" [
<!ENTITY THINGS "org.example.Things">
]>
<node name="/org/example" xmlns:doc="http://www.freedesktop.org/dbus/1.0/doc.dtd">
  <interface name="org.example.Things">
    <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
    <doc:doc><doc:para>What nobody reads of &THINGS;.</doc:para></doc:doc>
    <method name="Find">
      <arg name="query" type="a{sv}"/>
      <arg name="limit" type="u" direction="in"/>
      <arg type="a(os)" direction="out"/>
      <annotation name="org.freedesktop.DBus.Method.NoReply" value="false"/>
    </method>
    <signal name="Found"><arg name="thing" type="o"/></signal>
    <property name="some-thing" type="(so)" access="readwrite"/>
  </interface>
  <node name="things"/>
  <node name="more/things"><interface name="org.example.Thing"/></node>
</node>`;

describe('introspection data', () => {
  test('become interfaces, members and nodes', () => {
    const none = new Map();
    expect(parseIntrospection(XML)).toEqual({
      name: '/org/example',
      interfaces: [
        {
          name: 'org.example.Things',
          methods: [
            {
              name: 'Find',
              in: [
                { name: 'query', type: 'a{sv}' },
                { name: 'limit', type: 'u' },
              ],
              out: [{ name: '', type: 'a(os)' }],
              annotations: new Map([['org.freedesktop.DBus.Method.NoReply', 'false']]),
            },
          ],
          signals: [{ name: 'Found', args: [{ name: 'thing', type: 'o' }], annotations: none }],
          properties: [
            { name: 'some-thing', type: '(so)', access: 'readwrite', annotations: none },
          ],
          annotations: new Map([['org.freedesktop.DBus.Deprecated', 'true']]),
        },
      ],
      children: [
        { name: 'things', interfaces: [], children: [] },
        {
          name: 'more/things',
          interfaces: [
            {
              name: 'org.example.Thing',
              methods: [],
              signals: [],
              properties: [],
              annotations: none,
            },
          ],
          children: [],
        },
      ],
    });
  });

  const inside = (xml: string): string =>
    `<node>\n <interface name="a.B">\n  ${xml}\n</interface></node>`;
  test.each([
    ['', 'x:1:1: malformed XML: document must contain a root element.'],
    ['<node>\n  <interface></node>', 'x:2:20: malformed XML: unexpected close tag.'],
    ['<interface name="a.B"/>', 'x:1:1: <interface>: the root element is not <node>'],
    [
      '<node>\n  <interface/></node>',
      'x:2:3: <interface>: the attribute "name" is missing or empty',
    ],
    ['<node><interface name="plain"/></node>', '"plain" is not a valid interface name'],
    ['<node><node name="/x"/></node>', '"/x" is not a relative path'],
    [inside('<method name="a.b"/>'), 'x:3:3: <method>: "a.b" is not a valid member name'],
    [inside('<signal name="S"><arg type="ss"/></signal>'), '"ss" is not a single complete type'],
    [inside('<method name="M"><arg type="a"/></method>'), '"a" is not a single complete type'],
    [inside('<method name="M"><arg type="s" direction="up"/></method>'), 'not "up"'],
    [inside('<property name="P" type="s" access="no"/>'), 'not "no"'],
    [inside('<property name="P" type="s"/>'), 'the attribute "access" is missing or empty'],
  ])('%j is refused', (xml, message) => {
    const parse = () => parseIntrospection(xml, 'x');
    expect(parse).toThrow(IntrospectionError);
    expect(parse).toThrow(message);
  });

  test('of several objects put together what each tells about an interface', () => {
    const one = parseIntrospection(inside('<method name="A"/><method name="B"/>'));
    const other = parseIntrospection(inside('<method name="B"/><signal name="C"/>'));
    const known = interfacesIn([one, { interfaces: [], children: [other] }]).get('a.B')!;
    expect(known.methods.map(({ name }) => name)).toEqual(['A', 'B']);
    expect(known.signals.map(({ name }) => name)).toEqual(['C']);
  });
});
