import type { MockedObjects, MockObject } from '#bridge/testing/index.js';

export const ADAPTER: string;
export const DEVICE: string;
export const DEVICE_ADDRESS: string;
export function characteristicPath(inService: number, index: number): string;
export function bluezObjects(services: readonly (readonly string[])[]): MockedObjects;
export function notify(object: MockObject, value: Uint8Array): void;
