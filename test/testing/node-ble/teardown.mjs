export default () => globalThis.stopTestBus();
