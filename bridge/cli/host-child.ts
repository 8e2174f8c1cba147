/** One host of a bus that runs several: bus1-bridge run --hosts. */
import { runHostChild } from '#bridge/control/host-child.js';

process.exitCode = await runHostChild();
