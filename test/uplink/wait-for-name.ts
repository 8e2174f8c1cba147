import dbus from 'dbus-next';

/** Resolves when somebody owns `name` on the bus at `address`. */
export async function waitForName(address: string, name: string): Promise<void> {
  const bus = dbus.sessionBus({ busAddress: address });
  const driver = {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
  };
  try {
    const appeared = new Promise<void>((resolve) => {
      bus.on('message', ({ member, body }: dbus.Message) => {
        if (member === 'NameOwnerChanged' && body[0] === name && body[2] !== '') resolve();
      });
    });
    const rule = `type='signal',member='NameOwnerChanged',arg0='${name}'`;
    await bus.call(
      new dbus.Message({ ...driver, member: 'AddMatch', signature: 's', body: [rule] }),
    );
    const ask = { ...driver, member: 'NameHasOwner', signature: 's', body: [name] };
    const reply = await bus.call(new dbus.Message(ask));
    if (reply?.body[0] !== true) await appeared;
  } finally {
    bus.disconnect();
  }
}
