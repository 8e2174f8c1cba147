import { MatchRuleFault, parseMatchRule, type MatchRule } from '#bridge/registry/match-rule.js';

import { watching } from '#bridge/registry/directory-change.js';

import { DriverError, ErrorName } from './driver-error.js';
import { arg, method, type CallWith, type DriverInterface } from './method.js';

function parsed(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault) throw new DriverError(rule.errorName, rule.message);
  return rule;
}

/** The connection leaves the bus once the reply has been sent. */
function becomeMonitor(call: CallWith<'asu'>): readonly [] {
  const { driver, connection, args, attached } = call;
  const [texts, flags] = args;
  if (flags !== 0) {
    throw new DriverError(ErrorName.InvalidArgs, `Flags ${flags} given, but no flags are defined`);
  }
  if (attached === undefined) {
    throw new DriverError(ErrorName.Failed, 'The connection cannot become a monitor');
  }
  const rules = (texts.length === 0 ? [''] : texts).map(parsed);
  const { registry, peer } = driver;
  const capture = peer.copyHandle(attached, registry.peer);
  /* other hosts must show what they carry, once and by these rules, before the caller relies on it */
  for (const rule of registry.subscriptions.rulesOf(connection)) {
    registry.mirrors.publish({ kind: 'unsubscribed', number: connection.number, rule });
  }
  registry.mirrors.publish(watching(connection, rules), capture);
  call.afterReply(() => driver.becomeMonitor(connection, capture, rules));
  return [];
}

/** org.freedesktop.DBus.Monitoring (D-Bus specification, "Message Bus Monitoring") */
export const monitoring: DriverInterface = {
  name: 'org.freedesktop.DBus.Monitoring',
  isAdvertised: true,
  canonicalPath: true,
  methods: [
    method({
      name: 'BecomeMonitor',
      in: [arg('rules', 'as'), arg('flags', 'u')],
      out: [],
      privileged: true,
      run: becomeMonitor,
    }),
  ],
};
