import { LocalConformanceDomain } from './local-domain.js';
import { runConformance } from './runner.js';

runConformance('local', (maxima) => new LocalConformanceDomain(maxima));
