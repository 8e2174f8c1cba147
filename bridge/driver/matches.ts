import { MatchRuleFault, parseMatchRule, type MatchRule } from '#bridge/registry/match-rule.js';

import { DriverError, ErrorName } from './driver-error.js';
import { arg, LATER, method, type CallWith, type Method } from './method.js';

function parsed(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault) throw new DriverError(rule.errorName, rule.message);
  return rule;
}

function addMatch({
  driver,
  connection,
  args,
  reply,
  fail,
}: CallWith<'s'>): readonly [] | typeof LATER {
  const limit = connection.limit('maxMatchRulesPerConnection', driver.settings.limits);
  if (connection.matchRuleCount >= limit) {
    throw new DriverError(
      ErrorName.LimitsExceeded,
      `Connection "${connection.uniqueName}" is not allowed to add more match rules ` +
        '(increase limits in configuration file if required; ' +
        `max_match_rules_per_connection=${limit})`,
    );
  }
  const rule = parsed(args[0]);
  if (rule.eavesdrop && !driver.settings.isPrivileged(connection)) {
    throw new DriverError(
      ErrorName.AccessDenied,
      'Only root and the user that runs the bus may eavesdrop (eavesdrop=true)',
    );
  }
  driver.registry.subscribe(rule, connection);
  const isElsewhere = driver.settings.attached?.subscribe(rule, connection, (refusal) => {
    if (refusal === undefined) return reply([]);
    driver.registry.unsubscribe(rule, connection);
    fail(refusal);
  });
  return isElsewhere === true ? LATER : [];
}

function removeMatch({
  driver,
  connection,
  args,
  reply,
}: CallWith<'s'>): readonly [] | typeof LATER {
  const rule = parsed(args[0]);
  if (!driver.registry.unsubscribe(rule, connection)) {
    throw new DriverError(
      ErrorName.MatchRuleNotFound,
      "The given match rule wasn't found and can't be removed",
    );
  }
  const isElsewhere = driver.settings.attached?.unsubscribe(rule, connection, () => reply([]));
  return isElsewhere === true ? LATER : [];
}

export const matchMethods: readonly Method[] = [
  method({ name: 'AddMatch', in: [arg('rule', 's')], out: [], run: addMatch }),
  method({ name: 'RemoveMatch', in: [arg('rule', 's')], out: [], run: removeMatch }),
];
