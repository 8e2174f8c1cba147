#!/usr/bin/env node
import { Command } from 'commander';
import { benchCommand } from '#bridge/bench/bench.js';
import { attachCommand } from './attach-command.js';
import { packageVersion } from '#bridge/control/version.js';
import { explainCommand } from './explain-command.js';
import { generateCommand } from './generate-command.js';
import { lintCommand } from './lint-command.js';
import { mappingsCommand } from './mappings-command.js';
import { migrateCommand } from './migrate-command.js';
import { runProgram } from './program.js';
import { runCommand } from './run-command.js';
import { statusCommand } from './status-command.js';

await runProgram('bus1-bridge', async () => {
  const program = new Command('bus1-bridge')
    .description('A D-Bus message bus on a BUS1 capability core.')
    .version(packageVersion())
    .enablePositionalOptions();
  let status = 0;
  const finish = (code: number): void => void (status = code);
  program.addCommand(runCommand(finish));
  program.addCommand(statusCommand(finish));
  program.addCommand(attachCommand(finish));
  program.addCommand(migrateCommand(finish));
  program.addCommand(lintCommand(finish));
  program.addCommand(explainCommand(finish));
  program.addCommand(generateCommand(finish));
  program.addCommand(mappingsCommand(finish));
  program.addCommand(benchCommand('bench'));
  await program.parseAsync();
  return status;
});
