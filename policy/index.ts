/**
 * Who may connect, own names, send and receive: dbus-daemon's policy as data, decided ahead of
 * time.
 *
 * The control thread reads the configuration and posts `config.policy` (plain data) to the hosts:
 *
 *     const io = nodePolicyIo({ lookupUser, lookupGroup });
 *     const result = readConfig('/usr/share/dbus-1/system.conf', io);
 *     if (!result.ok) throw new Error(formatDiagnostic(result.error));
 *     for (const diagnostic of result.diagnostics) log(formatDiagnostic(diagnostic));
 *     host.postMessage(result.config.policy);
 *
 * A host keeps one ClientPolicies for the rules, and asks at these moments:
 *
 *     const policies = new ClientPolicies(rules);
 *     canConnect(rules, identity, busOwnerUid).allowed          // after authentication
 *     const policy = policies.for(identity);                    // at Hello
 *     policy.canOwn('org.example.Service').allowed              // at RequestName
 *     const facet = compileFacet(sender, receiver, Flow.Directed); // when a handle is handed out
 *
 * and on the hot path, with the scanned header of the message:
 *
 *     if (facet !== null && !facet.check(header)) refuse(describeRefusal(facet));
 *
 * Calls and directed signals use Flow.Directed from caller to callee, their replies
 * Flow.RequestedReply from callee to caller, each subscriber of a signal Flow.Broadcast. The driver
 * is DRIVER_PARTY; a service that is about to be activated is a Party without policy and with the
 * one name. `policy.mentionsName(name)` tells whether a name change on the other side can matter.
 */
export { convertBusconfig, OrderError } from './convert.js';
export { readConfig } from './config-reader.js';
export type { ConfigResult } from './config-reader.js';
export type { AppArmorMode, BusConfig, SelinuxAssociation, ServiceDirectory } from './config.js';
export { formatDiagnostic } from './diagnostic.js';
export type { Diagnostic, DiagnosticCode, SourcePosition } from './diagnostic.js';
export type { IoFailure, PolicyIo } from './io.js';
export { nodePolicyIo } from './node-io.js';
export { DEFAULT_LIMITS, LIMIT_NAMES } from './limits.js';
export type { BusLimits } from './limits.js';
export { allRules, canConnect, emptyPolicyRules, rolesOf } from './policy-rules.js';
export type { ClientIdentity, PolicyRules, Verdict } from './policy-rules.js';
export { fitsRole, mightConfine, QUOTAS } from './role.js';
export type { ClientOrigin, Confinement, Quotas, Role, RoleConditions, RoleGrant } from './role.js';
export { ClientPolicies, ClientPolicy } from './client-policy.js';
export { DRIVER_PARTY, Facet, compileFacet, describeRefusal } from './facet.js';
export type { FacetData, Party } from './facet.js';
export { Flow } from './match.js';
export { policyMessage } from './message.js';
export type { MessageFacts, PolicyMessage } from './message.js';
export { RuleMessageType, describeRule, nameHasPrefix, ruleLocation } from './rule.js';
export type { ConnectRule, MessageRule, OwnRule, PolicyRule } from './rule.js';
export { explainMessage, formatExplanation, formatVerdict } from './explain.js';
export type { ConsideredRule, Explanation, SideExplanation } from './explain.js';
export { isAmong, mayOwnConfined } from './confinement.js';
export type { MessageCondition } from './confinement.js';
export { remediesFor, remedyForOwning } from './remedy.js';
export type { JudgedMessage } from './remedy.js';
export { lintConfig } from './lint.js';
export { mediationDiagnostics } from './mediation.js';
export type { Finding, LintCode } from './lint.js';
