import type { InterfaceDescription } from '#bridge/client/index.js';

export const SERVICE: string;
export const PATH: string;
export const Service: InterfaceDescription;
export const Listener: InterfaceDescription;
