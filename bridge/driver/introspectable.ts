import { DRIVER_PATH } from '#bridge/registry/directory.js';

import { arg, type Argument, type DriverInterface } from './method.js';
import { INTROSPECTABLE } from '#bridge/wire/standard-names.js';

const DOCTYPE =
  '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n' +
  '"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n';

function argument({ name, type }: Argument, direction: string): string {
  return `      <arg${direction} name="${name}" type="${type}"/>\n`;
}

function interfaceXml({ name, methods, signals = [], properties = [] }: DriverInterface): string {
  let xml = `  <interface name="${name}">\n`;
  for (const method of methods) {
    xml += `    <method name="${method.name}">\n`;
    for (const each of method.in) xml += argument(each, ' direction="in"');
    for (const each of method.out) xml += argument(each, ' direction="out"');
    xml += '    </method>\n';
  }
  for (const property of properties) {
    xml += `    <property name="${property.name}" type="${property.type}" access="read">\n`;
    xml +=
      '      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>\n';
    xml += '    </property>\n';
  }
  for (const signal of signals) {
    xml += `    <signal name="${signal.name}">\n`;
    for (const each of signal.args) xml += argument(each, '');
    xml += '    </signal>\n';
  }
  return `${xml}  </interface>\n`;
}

/** Introspection data of the driver, which answers at every path, but not with every interface. */
export function introspect(interfaces: readonly DriverInterface[], path: string): string {
  const isCanonical = path === DRIVER_PATH;
  const shown = interfaces.filter(({ canonicalPath }) => isCanonical || canonicalPath !== true);
  let body = shown.map(interfaceXml).join('');
  const prefix = path === '/' ? '/' : `${path}/`;
  if (DRIVER_PATH.startsWith(prefix)) {
    body += `  <node name="${DRIVER_PATH.slice(prefix.length)}"/>\n`;
  }
  return `${DOCTYPE}<node>\n${body}</node>\n`;
}

/** org.freedesktop.DBus.Introspectable */
export const introspectable: DriverInterface = {
  name: INTROSPECTABLE,
  methods: [
    {
      name: 'Introspect',
      in: [],
      out: [arg('data', 's')],
      run: ({ driver, message }) => [introspect(driver.interfaces, message.path ?? '/')],
    },
  ],
};
