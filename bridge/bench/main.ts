import { benchCommand } from './bench.js';

await benchCommand('bench').parseAsync();
