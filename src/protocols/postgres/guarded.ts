import type { ErrorFields } from './messages.ts';

/**
 * What the target says beside its rows. Errors and notices quote values ("invalid input syntax for type integer: …",
 * "Key (ssn)=(…) already exists"), parameters and notifications carry whatever they were set to: while something is masked,
 * none of it reaches the client as it is.
 */

/** Severity and SQLSTATE are the server's; no text of it remains. */
export function withoutTexts(fields: ErrorFields): ErrorFields {
  const severity = fields.V ?? fields.S ?? 'ERROR';
  const isError = severity === 'ERROR' || severity === 'FATAL' || severity === 'PANIC';
  return {
    S: severity,
    V: severity,
    C: fields.C ?? 'XX000',
    M: isError ? 'the target reported an error' : 'the target sent a notice',
    D: 'Its text is withheld, because it may quote values that are masked for you.',
  };
}

/** Whether a parameter's new value may be told. `startup` is what the session began with. */
export function tellsParameter(
  name: string,
  value: string,
  guarded: boolean,
  startup: ReadonlyMap<string, string>,
): boolean {
  if (CLOSED_VALUES.has(name)) return true;
  // Anybody's bytes can be put into these, by set_config from a column.
  if (FREE_VALUES.has(name)) return startup.get(name) === value;
  return OPEN_VALUES.has(name) && (!guarded || startup.get(name) === value);
}

/** Parameters that the server reports (manual, "Asynchronous Operations") whose values are numbers or words of its own. */
const CLOSED_VALUES = new Set([
  'server_version',
  'server_encoding',
  'client_encoding',
  'DateStyle',
  'IntervalStyle',
  'integer_datetimes',
  'standard_conforming_strings',
  'is_superuser',
  'in_hot_standby',
  'default_transaction_read_only',
  'scram_iterations',
]);
const OPEN_VALUES = new Set(['TimeZone', 'session_authorization', 'search_path']);
const FREE_VALUES = new Set(['application_name']);
