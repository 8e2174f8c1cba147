#!/usr/bin/env node
import { runOwn } from '#bridge/control/own-runtime.js';

void runOwn('bus1-dbus-daemon', () => import('./daemon-main.js'));
