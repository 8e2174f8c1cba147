// Units and jobs, of objects with the interfaces of systemd: a user's own manager runs only where systemd has booted
// the machine.
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, systemdDaemon } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.systemd1';
const PATH = '/org/freedesktop/systemd1';
const MANAGER = `${NAME}.Manager`;
const UNIT = `${NAME}.Unit`;
const JOB = `${NAME}.Job`;
const [A, B] = ['a', 'b'].map((name) => `${PATH}/unit/${name}_2eservice`);
const [JOB_OF_A, JOB_OF_B] = [7, 8].map((id) => `${PATH}/job/${id}`);

const SYSTEMD = systemdDaemon('/lib/systemd/systemd');
const JOBS = `[(7, "a.service", "start", "waiting", "${JOB_OF_A}", "${A}")]`;
const UNITS = `[
  ("a.service", "", "loaded", "active", "running", "", "${A}", 7, "start", "${JOB_OF_A}"),
  ("b.service", "", "loaded", "active", "running", "", "${B}", 0, "", "/")]`;
const ENQUEUED = `(7, "${JOB_OF_A}", "a.service", "${A}", "start", [
  (8, "${JOB_OF_B}", "b.service", "${B}", "start")])`;
const CHANGES = ['Start', 'Stop', 'Reload', 'Restart', 'TryRestart', 'ReloadOrRestart'];

/** Methods that return the same sort of thing. */
const RETURN_A_UNIT = [
  'GetUnit',
  'GetUnitByPID',
  'GetUnitByInvocationID',
  'GetUnitByControlGroup',
  'LoadUnit',
].map((method) => `${MANAGER}.${method}`);
const RETURN_A_JOB = [
  ...[...CHANGES, 'ReloadOrTryRestart'].map((change) => `${MANAGER}.${change}Unit`),
  ...['StartUnitWithFlags', 'StartUnitReplace', 'StartTransientUnit', 'GetJob'].map(
    (method) => `${MANAGER}.${method}`,
  ),
  ...[...CHANGES, 'ReloadOrTryRestart'].map((change) => `${UNIT}.${change}`),
];
const RETURN_JOBS = [
  ...['ListJobs', 'GetJobAfter', 'GetJobBefore'].map((method) => `${MANAGER}.${method}`),
  ...['GetAfter', 'GetBefore'].map((method) => `${JOB}.${method}`),
];
const RETURN_UNITS = ['', 'Filtered', 'ByPatterns', 'ByNames'].map(
  (which) => `${MANAGER}.ListUnits${which}`,
);
const ENQUEUE = [`${MANAGER}.EnqueueUnitJob`, `${UNIT}.EnqueueJob`];

const RETURNS: Readonly<Record<string, string>> = Object.fromEntries([
  ...RETURN_A_UNIT.map((method) => [method, `"${A}"`]),
  ...RETURN_A_JOB.map((method) => [method, `"${JOB_OF_A}"`]),
  ...RETURN_JOBS.map((method) => [method, JOBS]),
  ...RETURN_UNITS.map((method) => [method, UNITS]),
  ...ENQUEUE.map((method) => [method, ENQUEUED]),
  [`${MANAGER}.EnqueueMarkedJobs`, `["${JOB_OF_A}", "${JOB_OF_B}"]`],
]);

/** What the methods of an interface return, by name. */
function codeOf(of: string): Record<string, string> {
  const own = Object.entries(RETURNS).filter(([method]) => method.startsWith(`${of}.`));
  return Object.fromEntries(own.map(([name, ret]) => [name.slice(of.length + 1), `ret = ${ret}`]));
}

describeWith([...MOCK_SOFTWARE, ...SYSTEMD.software], 'systemd', () => {
  let mock: MockService;
  let manager: Capability;
  const peers = peersForAllTests(async (all) => {
    const first = { name: NAME, path: PATH, interface: MANAGER, types: [SYSTEMD] };
    mock = await MockService.start(all, first);
    await mock.extend(PATH, MANAGER, { code: codeOf(MANAGER) });
    const units: [string, string, [number, string]][] = [
      [A, 'a.service', [7, JOB_OF_A]],
      [B, 'b.service', [0, '/']],
    ];
    for (const [path, Id, Job] of units) {
      await mock.add(path, UNIT, { code: codeOf(UNIT), properties: { Id, Job } });
    }
    const jobs: [string, number, [string, string]][] = [
      [JOB_OF_A, 7, ['a.service', A]],
      [JOB_OF_B, 8, ['b.service', B]],
    ];
    for (const [path, Id, Unit] of jobs) {
      await mock.add(path, JOB, { code: codeOf(JOB), properties: { Id, Unit } });
    }
    manager = await all.native.resolve(NAME);
  });

  /** Calls the manager's method, or that of the unit or job that it leads to. */
  const run = async (method: string): Promise<readonly unknown[]> => {
    const [of, member] = [method.slice(0, method.lastIndexOf('.')), method.split('.').at(-1)!];
    const targets: Record<string, () => unknown> = {
      [MANAGER]: () => manager,
      [UNIT]: () => call(manager, `${MANAGER}.GetUnit`, 's', 'a.service'),
      [JOB]: () => call(manager, `${MANAGER}.GetJob`, 'u', 7),
    };
    const target = (await targets[of]()) as Capability;
    const { signature, values } = mock.argumentsOf(of, member);
    return (await target.call({ interface: of, member, signature, body: values })).body;
  };
  const idOf = (one: unknown, of: string): Promise<unknown> =>
    property(one as Capability, of, 'Id');

  test.each(RETURN_A_UNIT)('%s returns a unit', async (method) => {
    expect(await idOf((await run(method))[0], UNIT)).toBe('a.service');
  });

  test.each(RETURN_A_JOB)('%s returns a job', async (method) => {
    expect(await idOf((await run(method))[0], JOB)).toBe(7);
  });

  test.each(RETURN_JOBS)('%s returns jobs with their units', async (method) => {
    const [[job]] = (await run(method)) as unknown[][][];
    expect(await idOf(job[4], JOB)).toBe(7);
    expect(await idOf(job[5], UNIT)).toBe('a.service');
  });

  test.each(RETURN_UNITS)('%s returns units, and jobs if there are any', async (method) => {
    const [[a, b]] = (await run(method)) as unknown[][][];
    expect(await idOf(a[6], UNIT)).toBe('a.service');
    expect(await idOf(a[9], JOB)).toBe(7);
    expect(await idOf(b[6], UNIT)).toBe('b.service');
    expect(b[9]).toBe('/');
  });

  test.each(ENQUEUE)('%s returns the job, and others that it brings', async (method) => {
    const [, job, , unit, , others] = await run(method);
    const [[, otherJob, , otherUnit]] = others as unknown[][];
    expect(await idOf(job, JOB)).toBe(7);
    expect(await idOf(unit, UNIT)).toBe('a.service');
    expect(await idOf(otherJob, JOB)).toBe(8);
    expect(await idOf(otherUnit, UNIT)).toBe('b.service');
  });

  test('EnqueueMarkedJobs returns jobs', async () => {
    const [jobs] = (await run(`${MANAGER}.EnqueueMarkedJobs`)) as unknown[][];
    expect(await Promise.all(jobs.map((job) => idOf(job, JOB)))).toEqual([7, 8]);
  });

  test('from a unit to its job, and back', async () => {
    const [unit] = await run(`${MANAGER}.GetUnit`);
    const [, job] = (await property(unit as Capability, UNIT, 'Job')) as [number, Capability];
    const [, back] = (await property(job, JOB, 'Unit')) as [string, Capability];
    expect(await idOf(back, UNIT)).toBe('a.service');
  });

  test('a legacy program gets strings', async () => {
    const get = { destination: NAME, path: PATH, interface: MANAGER, member: 'GetUnit' };
    const body = ['a.service'];
    expect(await legacyCall(peers.legacy, { ...get, signature: 's', body })).toEqual([A]);
  });

  describe.each([
    ['Unit', UNIT, 'GetUnit', ['a.service', A], A],
    ['Job', JOB, 'GetJob', [7, JOB_OF_A, 'a.service', 'done'], JOB_OF_A],
  ])('%sNew and %sRemoved', (what, of, get, values) => {
    let signals: Awaited<ReturnType<typeof listenTo>>;
    beforeAll(async () => {
      signals = await listenTo(peers.native, manager);
    });

    test('bring a handle, and end all handles to it', async () => {
      await mock.emit(PATH, [MANAGER, `${what}New`], values);
      const added = (await signals.next(`${what}New`)).body[1] as Capability;
      expect(await idOf(added, of)).toBe(values[0]);
      const [asked] = (await run(`${MANAGER}.${get}`)) as [Capability];
      const released = [added, asked].map((one) => gone(one));
      await mock.emit(PATH, [MANAGER, `${what}Removed`], values);
      expect((await signals.next(`${what}Removed`)).body[1]).toBeInstanceOf(Capability);
      await Promise.all(released);
    });
  });
});
