import { MessageType } from '#bridge/wire/types.js';
import { isErrorText, type NormalMessage } from './normalise.js';
import {
  callsDriver,
  DRIVER,
  isAnsweredLater,
  type MessageSpec,
  type Operation,
} from './operation.js';
import type { Observation } from './stage.js';

/** What followed a step on both buses. */
export interface Step {
  readonly operation: Operation;
  readonly reference: Observation;
  readonly ours: Observation;
}

/** What both saw once the difference is left out. */
export interface Adjusted {
  readonly reference: Observation;
  readonly ours: Observation;
  /** From here on the buses are in different states: the rest of the conversation tells nothing. */
  readonly isEnd?: boolean;
}

/** A difference that is meant. */
export interface KnownDifference {
  /** The title of its row in docs/compatibility.md. */
  readonly title: string;
  /** Undefined when this is not what has happened. */
  adjust(step: Step): Adjusted | undefined;
  /** Whether the buses may be in different states from here on although everybody has seen the same. */
  mayHideIn?(step: Step): boolean;
}

type Seen = NormalMessage | string;

/** The same without messages for which this is true. */
function without(
  observation: Observation,
  isLeftOut: (message: NormalMessage) => boolean,
): Observation {
  return changed(observation, (each) => {
    return typeof each !== 'string' && isLeftOut(each) ? [] : [each];
  });
}

function changed(
  observation: Observation,
  change: (seen: Seen, client: number) => readonly Seen[],
): Observation {
  const kept = [...observation].map(
    ([client, seen]) => [client, seen.flatMap((each) => change(each, client))] as const,
  );
  return new Map(kept.filter(([, seen]) => seen.length > 0));
}

function sentIn({ operation }: Step): { client: number; message: MessageSpec } | undefined {
  if (operation.kind === 'send') return operation;
  if (operation.kind !== 'leave' || operation.last === undefined) return undefined;
  return { client: operation.client, message: operation.last };
}

/** An error of the bus for the one who has sent this, wherever it was seen. */
function isRefusal(seen: NormalMessage, client: number, { serial }: MessageSpec): boolean {
  const { type, sender, destination, replySerial, errorName } = seen;
  return (
    type === MessageType.Error &&
    sender === DRIVER &&
    destination === `#${client}` &&
    replySerial === serial &&
    errorName === 'org.freedesktop.DBus.Error.AccessDenied'
  );
}

function isDelivery(seen: NormalMessage, client: number, message: MessageSpec): boolean {
  const { type, sender, serial } = seen;
  return type === message.type && sender === `#${client}` && serial === message.serial;
}

const unexpectedReply: KnownDifference = {
  title: 'Reply that is not awaited, where `eavesdrop="true"` rules let it pass',
  adjust(step) {
    const sent = sentIn(step);
    if (sent === undefined) return undefined;
    const { client, message } = sent;
    const isReply = message.type === MessageType.MethodReturn || message.type === MessageType.Error;
    const isRefused = [...step.reference.values()].some((seen) =>
      seen.some((each) => typeof each !== 'string' && isRefusal(each, client, message)),
    );
    if (!isReply || isRefused) return undefined;
    return {
      reference: without(step.reference, (seen) => isDelivery(seen, client, message)),
      ours: without(
        step.ours,
        (seen) => isRefusal(seen, client, message) || isDelivery(seen, client, message),
      ),
    };
  },
};

const signalWithReplySerial: KnownDifference = {
  title: 'Call or signal that carries REPLY_SERIAL',
  adjust(step) {
    const sent = sentIn(step);
    if (sent === undefined || sent.message.replySerial === undefined) return undefined;
    const { client, message } = sent;
    if (message.type !== MessageType.MethodCall && message.type !== MessageType.Signal) {
      return undefined;
    }
    return {
      reference: without(
        step.reference,
        (seen) => isRefusal(seen, client, message) || isDelivery(seen, client, message),
      ),
      ours: without(step.ours, (seen) => isDelivery(seen, client, message)),
      isEnd: message.type === MessageType.MethodCall,
    };
  },
};

const serialUsedTwice: KnownDifference = {
  title: 'Call with the serial of one that still waits for its reply',
  adjust(step) {
    const sent = sentIn(step);
    if (sent?.message.type !== MessageType.MethodCall) return undefined;
    const { client, message } = sent;
    const isRefused = (seen: NormalMessage): boolean =>
      isRefusal(seen, client, message) &&
      isErrorText(seen.body[0]) &&
      seen.body[0].text.includes('same reply serial');
    const reference = without(step.reference, isRefused);
    const isDelivered = (seen: NormalMessage): boolean => isDelivery(seen, client, message);
    return {
      reference: without(reference, isDelivered),
      ours: without(step.ours, isDelivered),
      isEnd: true,
    };
  },
};

const peerWithForgedSender: KnownDifference = {
  title: 'Call without destination and with a forged SENDER',
  adjust(step) {
    const sent = sentIn(step);
    if (sent?.message.destination !== undefined || sent?.message.forgedSender === undefined) {
      return undefined;
    }
    const { serial } = sent.message;
    const unaddressed = changed(step.reference, (seen) => {
      if (typeof seen === 'string' || seen.replySerial !== serial) return [seen];
      return [{ ...seen, destination: undefined }];
    });
    return { reference: unaddressed, ours: step.ours };
  },
};

const ownInterfaces: KnownDifference = {
  title: 'Interfaces that are ours, `org.bus1.*`',
  adjust(step) {
    const ours = changed(step.ours, (seen) => {
      if (typeof seen === 'string' || seen.sender !== DRIVER) return [seen];
      return [{ ...seen, body: seen.body.map(withoutOwn) }];
    });
    return { reference: step.reference, ours };
  },
};

const byteOrder: KnownDifference = {
  title: 'Byte order of forwarded messages',
  adjust(step) {
    if (sentIn(step)?.message.isBigEndian !== true) return undefined;
    const change = (seen: Seen): Seen[] => {
      return [typeof seen === 'string' ? seen : { ...seen, littleEndian: true }];
    };
    return { reference: changed(step.reference, change), ours: changed(step.ours, change) };
  },
};

/** Whoever becomes a monitor beside another one already sees what follows from that as monitors do. */
const secondMonitor: KnownDifference = {
  title: 'What a monitor sees of its own leaving the bus',
  adjust(step) {
    const { operation } = step;
    if (operation.kind !== 'send' || !callsDriver(operation.message, 'BecomeMonitor')) {
      return undefined;
    }
    const ownOnly = (observation: Observation): Observation =>
      changed(observation, (seen, client) => {
        const isOther =
          typeof seen !== 'string' &&
          client === operation.client &&
          seen.type !== MessageType.MethodReturn &&
          seen.member !== 'NameLost';
        return isOther ? [] : [seen];
      });
    return { reference: ownOnly(step.reference), ours: ownOnly(step.ours) };
  },
};

const nameInMotion: KnownDifference = {
  title: 'Rules with `destination=` a name that is just changing hands',
  adjust(step) {
    const change = (seen: Seen, client: number): Seen[] => {
      const isOverheard =
        typeof seen !== 'string' &&
        (seen.member === 'NameAcquired' || seen.member === 'NameLost') &&
        seen.destination !== `#${client}`;
      return isOverheard ? [] : [seen];
    };
    return { reference: changed(step.reference, change), ours: changed(step.ours, change) };
  },
};

const servicesChanged: KnownDifference = {
  title: 'ActivatableServicesChanged after a reload that changed no service',
  adjust({ operation, reference, ours }) {
    if (operation.kind !== 'send' || !callsDriver(operation.message, 'ReloadConfig')) {
      return undefined;
    }
    const isSignal = ({ member }: NormalMessage): boolean => {
      return member === 'ActivatableServicesChanged';
    };
    return { reference: without(reference, isSignal), ours };
  },
};

const overheardLater: KnownDifference = {
  title: 'When a call to the bus is overheard',
  adjust(step) {
    const sent = sentIn(step);
    if (sent === undefined || !isAnsweredLater(sent.message)) return undefined;
    const { client, message } = sent;
    const isOverheard = (seen: NormalMessage): boolean =>
      isDelivery(seen, client, message) || isRefusal(seen, client, message);
    return {
      reference: without(step.reference, isOverheard),
      ours: without(step.ours, isOverheard),
    };
  },
};

function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((each) => typeof each !== 'string' || !each.includes('org.bus1.'))
      .map(withoutOwn);
  }
  if (value instanceof Map)
    return new Map([...value].map(([key, each]) => [key, withoutOwn(each)]));
  if (typeof value === 'object' && value !== null && 'value' in value) {
    return { ...value, value: withoutOwn(value.value) };
  }
  return value;
}

function removesNamespace(message: MessageSpec): boolean {
  return (
    callsDriver(message, 'RemoveMatch') && String(message.body?.[0]).includes('path_namespace=')
  );
}

const namespaceNotCompared: KnownDifference = {
  title: 'RemoveMatch of a rule with `path_namespace=`',
  /** Both have removed a rule, but not the same one. */
  mayHideIn(step) {
    const message = sentIn(step)?.message;
    return message !== undefined && removesNamespace(message);
  },
  adjust(step) {
    const sent = sentIn(step);
    if (sent === undefined || !removesNamespace(sent.message)) return undefined;
    const isAnswer = ({ sender, destination, replySerial }: NormalMessage): boolean =>
      sender === DRIVER && destination === `#${sent.client}` && replySerial === sent.message.serial;
    const isUnknownRule = (seen: NormalMessage): boolean =>
      isAnswer(seen) && seen.errorName === 'org.freedesktop.DBus.Error.MatchRuleNotFound';
    const isAccepted = (seen: NormalMessage): boolean =>
      isAnswer(seen) && seen.type === MessageType.MethodReturn;
    return {
      reference: without(step.reference, isAccepted),
      ours: without(step.ours, isUnknownRule),
      isEnd: true,
    };
  },
};

/** In this order; each sees what the ones before it have left. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  byteOrder,
  ownInterfaces,
  peerWithForgedSender,
  serialUsedTwice,
  unexpectedReply,
  signalWithReplySerial,
  secondMonitor,
  nameInMotion,
  servicesChanged,
  overheardLater,
  namespaceNotCompared,
];
