// A service whose class has decorators, compiled by the test: `counter.js ADDRESS TRANSPORT`.
import { join, method, property, signal, type TransportKind } from 'bus1-bridge';

class Counter {
  @property('u') accessor Count = 3;

  @method('u', 'u', { inNames: ['by'] })
  Add(by: number): number {
    this.Count += by;
    this.Added(by);
    return this.Count;
  }

  @signal('u')
  Added(_by: number): void {}
}

const [address, transport] = process.argv.slice(2);
const bus = await join({ address, transport: transport as TransportKind });
bus.serveClass('/counter', 'org.example.Counter', new Counter());
process.send!({ name: bus.uniqueName });
