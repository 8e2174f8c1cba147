import type { Connection } from './connection.js';

/** Maximum values since the start, for Debug.Stats. */
export class Peaks {
  matchRules = 0;
  matchRulesPerConnection = 0;
  busNames = 0;
  busNamesPerConnection = 0;

  noteMatchRules(connection: Connection, total: number): void {
    connection.peakMatchRuleCount = Math.max(
      connection.peakMatchRuleCount,
      connection.matchRuleCount,
    );
    this.matchRules = Math.max(this.matchRules, total);
    this.matchRulesPerConnection = Math.max(
      this.matchRulesPerConnection,
      connection.matchRuleCount,
    );
  }

  noteNames(connection: Connection, total: number): void {
    connection.peakNameCount = Math.max(connection.peakNameCount, connection.names.size);
    this.busNames = Math.max(this.busNames, total);
    this.busNamesPerConnection = Math.max(this.busNamesPerConnection, connection.names.size);
  }
}
