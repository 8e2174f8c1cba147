#!/usr/bin/env node
import { Command } from 'commander';
import { packageVersion } from '#bridge/control/version.js';
import { explainCommand } from './explain-command.js';
import { lintCommand } from './lint-command.js';
import { runProgram } from './program.js';
import { runCommand } from './run-command.js';

await runProgram('bus1-bridge', async () => {
  const program = new Command('bus1-bridge')
    .description('A D-Bus message bus on a BUS1 capability core.')
    .version(packageVersion())
    .enablePositionalOptions();
  let status = 0;
  const finish = (code: number): void => void (status = code);
  program.addCommand(runCommand(finish));
  program.addCommand(lintCommand(finish));
  program.addCommand(explainCommand(finish));
  await program.parseAsync();
  return status;
});
