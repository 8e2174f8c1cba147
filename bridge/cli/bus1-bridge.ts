#!/usr/bin/env node
import { runOwn } from '#bridge/control/own-runtime.js';

await runOwn('bus1-bridge', () => import('./bridge-main.js'));
