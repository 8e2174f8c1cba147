/** The bus in the background, started by bus1-dbus-daemon --fork. */
import { runDaemon } from '#bridge/control/daemon-process.js';

process.exitCode = await runDaemon();
