// A bus that never sleeps, because there always is something to do: what it gives back has to be reported all the same.
import { join as joinPath } from 'node:path';
import { expect, test } from 'vitest';

import { join } from '#bridge/client/index.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { output, start, type Environment } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';

const NAME = 'org.bus1.Steady';
/** More replies than a native peer may have waiting at the bus. */
const CALLS = 50_000;

describeWith(
  [needs('dbus-test-tool', 'dbus-bin')],
  'a legacy client that calls without a pause',
  () => {
    test('gets all replies of a native service', async () => {
      const folder = openFolder('native-steady-');
      const address = `unix:path=${joinPath(folder, 'bus')}`;
      const env: Environment = {
        ...cleanEnvironment(folder),
        DBUS_SESSION_BUS_ADDRESS: address,
        BUS1_LOOK_US: '1000000',
      };
      const program = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
      const args = [program, 'run', '--address', address, '--print-address'];
      const bridge = start(process.execPath, args, { env });
      await bridge.waitForLine(/^unix:/);
      const diagnostics: string[] = [];
      const service = await join({ address, onDiagnostic: (text) => diagnostics.push(text) });
      let calls = 0;
      service.serveElsewhere((call) => {
        calls++;
        call.reply();
        return true;
      });
      await service.requestName(NAME);
      const spam = ['spam', '--session', `--dest=${NAME}`, `--count=${CALLS}`, '--queue=64'];
      await output('dbus-test-tool', spam, { env });
      service.close();
      await bridge.stop();
      expect(diagnostics).toEqual([]);
      expect(calls).toBe(CALLS);
    });
  },
);
