/** The bus in the background, started by bus1-dbus-daemon --fork. */
import { runOwn } from './own-runtime.js';

void runOwn('bus1-dbus-daemon', async () => {
  const { runDaemon } = await import('./daemon-process.js');
  return { main: runDaemon };
});
