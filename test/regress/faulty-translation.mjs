// Loaded into a bus with --import, from build/: a translation with a fault. Whoever names org.bus1.Fault comes upon it.
import { Client } from '#bridge/translation/client.js';
import { Service } from '#bridge/translation/service.js';
import { Translator } from '#bridge/translation/translator.js';

function makeFaulty(prototype, method, bytesOf) {
  const sound = Reflect.get(prototype, method);
  Reflect.set(prototype, method, function soundOrFault(...args) {
    if (Buffer.from(bytesOf(...args)).includes('org.bus1.Fault'))
      throw new Error('a fault of ours');
    return sound.apply(this, args);
  });
}

/* a call to a service, what a service sends to a native peer by its name, and a broadcast of a service */
makeFaulty(Translator.prototype, 'mustPermit', (_facet, bytes) => bytes);
makeFaulty(Client.prototype, 'sendHome', ({ bytes }) => bytes);
makeFaulty(Service.prototype, 'heard', ({ bytes }) => bytes);
