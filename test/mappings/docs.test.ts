// The example in docs/mappings.md is a mapping.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatDiagnostic, lintMappings } from '#mappings/index.js';
import { ROOT } from '../support/bus-command.js';
import { mappingOf } from './mapping-text.js';

const text = readFileSync(join(ROOT, 'docs/mappings.md'), 'utf8');

test('the documented example has nothing wrong', () => {
  const [, example] = /```yaml\n(.*?)```/s.exec(text)!;
  const findings = lintMappings([mappingOf(example, 'docs/mappings.md')]);
  expect(findings.map((one) => formatDiagnostic(one))).toEqual([]);
});
