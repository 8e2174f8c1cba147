import { saveCode } from './code-cache.js';

/** Entry of the data plane's thread. */
void import('./data-plane.js').then(({ run }) => run(saveCode));
