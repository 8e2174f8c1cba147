// Lets Node run the TypeScript of test/ as it is: `node --import ./test/support/typescript.mjs FILE.ts`. The oldest
// Node that this project runs on cannot remove types itself.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
