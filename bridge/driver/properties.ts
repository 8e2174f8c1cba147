import { Variant } from '#bridge/wire/types.js';

import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { arg, method, type DriverInterface, type Property } from './method.js';
import { PROPERTIES } from '#bridge/wire/standard-names.js';

function propertiesOf(driver: Driver, interfaceName: string): readonly Property[] {
  const found = driver.interfaces.find(({ name }) => name === interfaceName);
  if (found === undefined) {
    throw new DriverError(
      ErrorName.UnknownInterface,
      `The bus has no interface "${interfaceName}"`,
    );
  }
  return found.properties ?? [];
}

function property(driver: Driver, interfaceName: string, propertyName: string): Property {
  const found = propertiesOf(driver, interfaceName).find(({ name }) => name === propertyName);
  if (found !== undefined) return found;
  throw new DriverError(
    ErrorName.UnknownProperty,
    `Property "${interfaceName}.${propertyName}" not found`,
  );
}

function valueOf(from: Property, driver: Driver): Variant {
  return new Variant(from.type, from.get(driver));
}

/** org.freedesktop.DBus.Properties, of the driver's own interfaces */
export const properties: DriverInterface = {
  name: PROPERTIES,
  canonicalPath: true,
  methods: [
    method({
      name: 'Get',
      in: [arg('interface_name', 's'), arg('property_name', 's')],
      out: [arg('value', 'v')],
      run: ({ driver, args: [of, name] }) => [valueOf(property(driver, of, name), driver)],
    }),
    method({
      name: 'GetAll',
      in: [arg('interface_name', 's')],
      out: [arg('properties', 'a{sv}')],
      run: ({ driver, args: [of] }) => [
        new Map(propertiesOf(driver, of).map((each) => [each.name, valueOf(each, driver)])),
      ],
    }),
    method({
      name: 'Set',
      in: [arg('interface_name', 's'), arg('property_name', 's'), arg('value', 'v')],
      out: [],
      run: ({ driver, args: [of, name] }) => {
        property(driver, of, name);
        throw new DriverError(
          ErrorName.PropertyReadOnly,
          `The property "${name}" of the bus cannot be set`,
        );
      },
    }),
  ],
  signals: [
    {
      name: 'PropertiesChanged',
      args: [
        arg('interface_name', 's'),
        arg('changed_properties', 'a{sv}'),
        arg('invalidated_properties', 'as'),
      ],
    },
  ],
};
