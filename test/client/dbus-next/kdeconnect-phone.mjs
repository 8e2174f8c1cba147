// A program with kdeconnect: what it says about the telephones that are there, and what it does with the second one.
import kdeconnect from 'kdeconnect';

const print = (...words) => process.stdout.write(`${JSON.stringify(words)}\n`);

const devices = await kdeconnect.getAvailableDevices();
for (const { id, name, type, isReachable, isTrusted, battery, connectivity } of devices) {
  print(id, name, type, isReachable, isTrusted, battery, connectivity);
}
const phone = devices[1];
phone.events.on('onBatteryChanged', (battery) => {
  print('battery', battery);
  process.exit();
});
await phone.ping('hello');
await phone.ring();
await phone.shareURL('https://example.org/');
for (const notification of await phone.getNotifications()) {
  print('notification', notification.appName, notification.title, notification.text);
  print('dismissed', await notification.dismiss());
}
