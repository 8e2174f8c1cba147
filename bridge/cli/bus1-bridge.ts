#!/usr/bin/env node
import { runOwn } from '#bridge/control/own-runtime.js';

void runOwn('bus1-bridge', () => import('./bridge-main.js'));
