import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '#bridge/bench/journal.js';
import { bindDatagram, closeFd, hasDatagramReceiver } from '#core/linux/index.js';

describe('the stand-in for systemd-journald', () => {
  let directory: string;
  let socket: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bus1-journal-'));
    socket = join(directory, 'socket');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('listens where nobody does, and takes its socket away', () => {
    const journal = new Journal(directory);
    expect(hasDatagramReceiver(socket)).toBe(true);
    journal.close();
    expect(existsSync(socket)).toBe(false);
  });

  it('replaces the socket file of a process that was killed', () => {
    closeFd(bindDatagram(socket));
    const journal = new Journal(directory);
    expect(hasDatagramReceiver(socket)).toBe(true);
    journal.close();
  });

  it('leaves a journal that listens alone', () => {
    const fd = bindDatagram(socket);
    new Journal(directory).close();
    expect(hasDatagramReceiver(socket)).toBe(true);
    closeFd(fd);
  });
});
