/** A private bus for tests, and services on it that answer as a test wants (docs/testing.md). */
export { TestBus, type TestBusOptions } from './test-bus.js';
export {
  MockService,
  type CallFilter,
  type MockedObjects,
  type RecordedCall,
} from './mock-service.js';
export { MockObject, type MockAnswer, type MockDefinition } from './mock-object.js';
export { objectsOfMapping, type MappedService } from './mapped-objects.js';
