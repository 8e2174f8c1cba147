// The first example of networkmanager-dbus's README, and what else it shows: prints what it gets.
import networkManagerDbus from '@astrohaus/networkmanager-dbus';

const { DeviceState, NetworkManager } = networkManagerDbus;
const print = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const networkManager = await NetworkManager.init();
print(Object.keys(networkManager.properties).toSorted());
print(networkManager.devices);

const wifiDevice = await networkManager.wifiDevice();
wifiDevice.properties$.subscribe(({ State }) => print(['state', DeviceState[State.value]]));
wifiDevice.accessPoints$.subscribe((accessPoints) => {
  const seen = Object.values(accessPoints).map(({ Ssid, Strength }) => [
    Ssid.value,
    Strength.value,
  ]);
  print(['access points', seen]);
  if (seen.length === 2) void leave();
});
await wifiDevice.requestScan();
print('scanned');

async function leave() {
  await networkManager.ethernetDevice().catch((error) => print(String(error)));
  NetworkManager.destroy();
  print('left');
}
